import type { AppSlots } from '@zerotouch/flash-image/app-slots';
import type { DriverPorts } from './driver-ports.js';
import { type Findings, present } from './findings.js';
import type { Operations } from './operations.js';

/** What the device holds besides its slots, and they are carried out with. */
export interface SlotSurroundings {
  readonly ports: Pick<DriverPorts, 'application' | 'timeouts'>;
  readonly operations: Operations;
  readonly findings: Findings;
  readonly slots: () => AppSlots | undefined;
}

/** What the effects of the slots table do: a new application is written, tried, kept or given up. */
export class SlotActs {
  readonly #around: SlotSurroundings;
  #update: Uint8Array | undefined;

  constructor(around: SlotSurroundings) {
    this.#around = around;
  }

  /** The flash was mounted, and the bootloader has chosen. */
  begin(): void {
    const { slots, findings } = this.#around;
    const running = slots()?.running;
    if (slots() !== undefined) findings.post({ table: 'slots', event: running?.onTrial === true ? 'on-trial' : 'settled' });
  }

  /** Takes a new application; the machine says when it is written. */
  take(update: Uint8Array): void {
    this.#update = update;
    this.#around.findings.post({ table: 'slots', event: 'update' });
  }

  /** Without a check of the application's own, a device that has run for a while is proof enough. */
  check(): void {
    const { ports, operations, findings } = this.#around;
    operations.run('slots', ports.timeouts.requestMs, async (signal) => {
      const problem = await ports.application?.check(signal).then(
        () => undefined,
        (error: unknown) => ({ error }),
      );
      return () => {
        if (problem !== undefined) findings.fault('checking the new application', problem.error);
        findings.post({ table: 'slots', event: problem === undefined ? 'passed' : 'rejected' });
      };
    });
  }

  commit(): void {
    const { findings } = this.#around;
    const kept = findings.guarded('keeping the new application', () => this.#slots().commit());
    findings.post({ table: 'slots', event: kept ? 'committed' : 'commit-failed' });
  }

  rollBack(): void {
    const { findings } = this.#around;
    let goesBack = false;
    const done = findings.guarded('going back to the application before', () => {
      goesBack = this.#slots().rollBack();
    });
    // What cannot be marked as given up is given up by the next start: it was on trial.
    findings.post({ table: 'slots', event: goesBack || !done ? 'rolled-back' : 'no-way-back' });
  }

  write(): void {
    const { findings } = this.#around;
    const written = findings.guarded('writing the new application', () => this.#slots().write(present(this.#update, 'an update')));
    this.#update = undefined;
    findings.post({ table: 'slots', event: written ? 'written' : 'write-failed' });
  }

  switchOver(): void {
    const { findings } = this.#around;
    const switched = findings.guarded('switching to the new application', () => this.#slots().switchOver());
    findings.post({ table: 'slots', event: switched ? 'switched' : 'switch-failed' });
  }

  #slots = (): AppSlots => present(this.#around.slots(), 'application slots');
}
