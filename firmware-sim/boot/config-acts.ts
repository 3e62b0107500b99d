import type { DeviceTwinDocument, JsonObject } from '@zerotouch/azure-wire/twin';
import { mergeTwin, withoutService } from '@zerotouch/azure-wire/twin';
import type { DriverPorts } from './driver-ports.js';
import { type Findings, present } from './findings.js';
import type { AppliedConfig } from './kept.js';
import type { Operations } from './operations.js';
import type { HubSession } from './ports.js';
import { type DeviceWarning, warningCodes } from './root-warnings.js';
import type { Machine } from './supervisor.js';

/** Most characters of an error that are reported to the hub: a twin takes strings of 4 KB and turns longer ones down. */
const APPLY_ERROR_MAX = 500;

/** What the device holds besides its configuration, and the configuration is carried out with. */
export interface ConfigSurroundings {
  readonly ports: Pick<DriverPorts, 'config' | 'timeouts'>;
  readonly operations: Operations;
  readonly findings: Findings;
  readonly machine: () => Machine;
  readonly session: () => HubSession;
  /** Writes the configuration that is in force into flash. */
  readonly keep: (config: AppliedConfig) => void;
  readonly failedBoots: () => number;
  /** What the hub is told besides; `undefined` where nothing of the kind is looked at. */
  readonly warnings: () => readonly DeviceWarning[] | undefined;
}

/** What the effects of the config table do: the twin is read, the desired properties applied, rolled back, kept and reported. */
export class ConfigActs {
  readonly #around: ConfigSurroundings;
  #twin: DeviceTwinDocument | undefined;
  #applied: AppliedConfig | undefined;
  #applyError: string | undefined;
  #rolledBackTo: number | undefined;

  constructor(around: ConfigSurroundings) {
    this.#around = around;
  }

  /** The configuration in force. */
  get applied(): AppliedConfig | undefined {
    return this.#applied;
  }

  /** A boot begins with what was kept. */
  recall(kept: AppliedConfig | undefined): void {
    this.#applied = kept;
  }

  /** What an earlier session knew says nothing about the next: the device may have been made anew in its hub, and versions begin again. */
  forgetTwin(): void {
    this.#twin = undefined;
  }

  /** The hub changed the desired properties. */
  desired(patch: JsonObject & { $version: number }): void {
    const { findings, machine } = this.#around;
    const known = this.#twin?.desired.$version ?? 0;
    if (this.#twin !== undefined && patch.$version <= known) return;
    if (this.#twin !== undefined && machine().config === 'settled' && patch.$version === known + 1) {
      this.#twin = { ...this.#twin, desired: { ...mergeTwin(this.#twin.desired, patch), $version: patch.$version } };
      findings.post({ table: 'config', event: 'desired' });
    } else {
      findings.post({ table: 'config', event: 'gap' });
    }
  }

  /** The hub may have changed the desired properties unseen. */
  missed(): void {
    this.#around.findings.post({ table: 'config', event: 'gap' });
  }

  pull(): void {
    const { operations, ports, findings } = this.#around;
    const session = this.#around.session();
    operations.run('config', ports.timeouts.requestMs, async (signal) => {
      const outcome = await session.getTwin(signal);
      return () => {
        if (outcome.outcome !== 'twin') {
          findings.failure('config', 'reading the twin', outcome);
          return;
        }
        this.#twin = outcome.twin;
        findings.post({ table: 'config', event: 'twin' });
      };
    });
  }

  apply(): void {
    const wanted = this.#wanted();
    this.#try(wanted, (problem) => {
      this.#applyError = problem;
      this.#rolledBackTo = undefined;
      if (problem === undefined) this.#applied = wanted;
      else this.#around.findings.watcher.unapplied?.(problem);
      this.#around.findings.post({ table: 'config', event: problem === undefined ? 'applied' : 'apply-failed' });
    });
  }

  /** Back to the configuration that was in force before. */
  restore(): void {
    const { findings } = this.#around;
    const good = this.#applied;
    if (good === undefined) {
      findings.post({ table: 'config', event: 'restored' });
      return;
    }
    this.#try(good, (problem) => {
      if (problem === undefined) this.#rolledBackTo = good.version;
      else findings.fault('going back to the last good configuration', new Error(problem));
      findings.post({ table: 'config', event: problem === undefined ? 'restored' : 'restore-failed' });
    });
  }

  commit(): void {
    const { findings, keep } = this.#around;
    const kept = findings.guarded('keeping the configuration', () => keep(this.#wanted()));
    findings.post({ table: 'config', event: kept ? 'committed' : 'commit-failed' });
  }

  report(): void {
    this.#send('reporting the configuration', {
      config: {
        desiredVersion: this.#wanted().version,
        status: this.#applyError === undefined ? 'applied' : 'failed',
        error: this.#applyError ?? null,
        rolledBackTo: this.#rolledBackTo ?? null,
      },
    });
  }

  /** Safe mode: the hub is told that nothing is applied, and why. */
  announce(): void {
    const { failedBoots } = this.#around;
    this.#send('reporting safe mode', {
      config: { status: 'safe-mode', error: `${failedBoots()} boots in a row did not end well; nothing is applied`, rolledBackTo: null },
    });
  }

  #try(config: AppliedConfig, then: (problem: string | undefined) => void): void {
    const { operations, ports } = this.#around;
    operations.run('config', ports.timeouts.requestMs, async (signal) => {
      const problem = await ports.config.apply(config, signal).then(
        () => undefined,
        (error: unknown) => (error instanceof Error ? error.message : String(error)).slice(0, APPLY_ERROR_MAX),
      );
      return () => then(problem);
    });
  }

  #send(during: string, patch: JsonObject): void {
    const { operations, ports, findings } = this.#around;
    const session = this.#around.session();
    const warned = warningsPatch(this.#around.warnings());
    operations.run('config', ports.timeouts.requestMs, async (signal) => {
      const outcome = await session.report({ ...patch, ...warned }, signal);
      return () => {
        if (outcome.outcome === 'reported') findings.post({ table: 'config', event: 'reported' });
        else findings.failure('config', during, outcome);
      };
    });
  }

  #wanted(): AppliedConfig {
    const desired = present(this.#twin, 'a twin').desired;
    return { version: desired.$version, values: withoutService(desired) };
  }
}

/** By code, so that what is no longer so is taken back: `null` removes it from a twin. */
function warningsPatch(warnings: readonly DeviceWarning[] | undefined): JsonObject {
  if (warnings === undefined) return {};
  const told = (wanted: DeviceWarning['code']): JsonObject | null => {
    const found = warnings.find(({ code }) => code === wanted);
    if (found === undefined) return null;
    const { where, reason, remedy, until = null } = found;
    return { where, reason, remedy, until };
  };
  return { warnings: Object.fromEntries(warningCodes.map((code) => [code, told(code)])) };
}
