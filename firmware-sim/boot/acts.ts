import type { DeviceTwinDocument, JsonObject } from '@zerotouch/azure-wire/twin';
import { mergeTwin, withoutService } from '@zerotouch/azure-wire/twin';
import type { Identity } from '../identity/identity.js';
import type { DriverPorts, DriverWatcher } from './driver-ports.js';
import type { AppliedConfig, Assignment } from './kept.js';
import { Operations } from './operations.js';
import type { Endpoint, Failure, HubSession, MountedFlash } from './ports.js';
import type { Machine, MachineEffect, MachineEvent } from './supervisor.js';

/** Most characters of an error that are reported to the hub: a twin takes strings of 4 KB and turns longer ones down. */
const APPLY_ERROR_MAX = 500;

/**
 * What each effect of the boot machine does, through the ports, and what one device holds meanwhile: its flash, identity, assignment,
 * session, twin. Whatever comes of an effect is posted as an event; nothing is decided here.
 */
export class Acts {
  readonly #ports: DriverPorts;
  readonly #watcher: DriverWatcher;
  readonly #post: (event: MachineEvent) => void;
  readonly #machine: () => Machine;
  readonly #operations: Operations;
  #flash: MountedFlash | undefined;
  #identity: Identity | undefined;
  #endpoint: Endpoint | undefined;
  #assignment: Assignment | undefined;
  #session: HubSession | undefined;
  #twin: DeviceTwinDocument | undefined;
  #applied: AppliedConfig | undefined;
  #applyError: string | undefined;

  constructor(ports: DriverPorts, watcher: DriverWatcher, post: (event: MachineEvent) => void, machine: () => Machine) {
    this.#ports = ports;
    this.#watcher = watcher;
    this.#post = post;
    this.#machine = machine;
    this.#operations = new Operations(ports.clock);
  }

  get identity(): Identity | undefined {
    return this.#identity;
  }

  get assignment(): Assignment | undefined {
    return this.#assignment;
  }

  get session(): HubSession | undefined {
    return this.#session;
  }

  get applied(): AppliedConfig | undefined {
    return this.#applied;
  }

  get flash(): MountedFlash | undefined {
    return this.#flash;
  }

  carryOut(effect: MachineEffect): void {
    if (effect.do === 'wait') this.#wait(effect.table, effect.ms);
    else this.#acts[effect.do]();
  }

  /** Resolves when nothing is under way any more and the flash is closed. */
  async putAway(): Promise<void> {
    await this.#operations.idle();
    this.#flash?.close();
    this.#flash = undefined;
  }

  readonly #acts: Readonly<Record<Exclude<MachineEffect['do'], 'wait'>, () => void>> = {
    mount: () => this.#mount(),
    identify: () => this.#identify(),
    'set-clock': () => this.#setClock(),
    recall: () => this.#recall(),
    register: () => this.#register(),
    'commit-assignment': () => this.#commitAssignment(),
    'cancel-assignment': () => this.#operations.cancel('assignment'),
    connect: () => this.#connect(),
    disconnect: () => this.#disconnect(),
    pull: () => this.#pull(),
    apply: () => this.#apply(),
    'commit-config': () => this.#commitConfig(),
    report: () => this.#report(),
    'cancel-config': () => this.#operations.cancel('config'),
    arrive: () => this.#watcher.running?.(),
    halt: () => this.#watcher.halted?.(),
    'switch-off': () => this.#operations.cancel('power'),
  };

  #mount(): void {
    try {
      this.#flash = this.#ports.mount();
      this.#post({ table: 'power', event: 'mounted' });
    } catch (error) {
      this.#fault('mounting the flash', error);
      this.#post({ table: 'power', event: 'mount-failed' });
    }
  }

  #identify(): void {
    try {
      this.#identity = this.#mounted().identity();
      this.#endpoint = this.#ports.endpoint(this.#identity);
      this.#post({ table: 'power', event: 'identified' });
    } catch (error) {
      this.#fault('reading the identity', error);
      this.#post({ table: 'power', event: 'identity-failed' });
    }
  }

  #setClock(): void {
    this.#operations.run('power', this.#ports.timeouts.requestMs, async (signal) => {
      const event = await this.#ports.time.set(signal);
      return () => this.#post({ table: 'power', event });
    });
  }

  #recall(): void {
    const { memory } = this.#mounted();
    this.#guarded('counting the boot', () => memory.countBoot());
    this.#assignment = memory.assignment(this.#known().idScope);
    this.#applied = memory.config();
    this.#post({ table: 'power', event: this.#assignment === undefined ? 'not-cached' : 'cached' });
  }

  #register(): void {
    const identity = this.#known();
    const endpoint = this.#destination();
    this.#operations.run('assignment', this.#ports.timeouts.registerMs, async (signal, current) => {
      const outcome = await this.#ports.dps.register(
        { identity, endpoint },
        (sign) => {
          if (current()) this.#post({ table: 'assignment', event: sign });
        },
        signal,
      );
      return () => {
        if (outcome.outcome !== 'assigned') {
          this.#failure('assignment', 'registering', outcome);
          return;
        }
        this.#assignment = { hub: outcome.hub, deviceId: outcome.deviceId };
        this.#post({ table: 'assignment', event: 'assigned' });
      };
    });
  }

  #commitAssignment(): void {
    const assignment = this.#assigned();
    const kept = this.#guarded('keeping the assignment', () => this.#mounted().memory.keepAssignment(this.#known().idScope, assignment));
    this.#post({ table: 'assignment', event: kept ? 'committed' : 'commit-failed' });
  }

  #connect(): void {
    // What an earlier session knew says nothing about this one: the device may have been made anew in its hub, and versions begin again.
    this.#twin = undefined;
    const identity = this.#known();
    const request = { identity, endpoint: this.#destination(), assignment: this.#assigned() };
    this.#operations.run('session', this.#ports.timeouts.connectMs, async (signal, current) => {
      const outcome = await this.#ports.hub.connect(request, signal);
      if (outcome.outcome === 'connected' && !current()) await outcome.session.close();
      return () => {
        if (outcome.outcome !== 'connected') {
          this.#failure('session', 'connecting to the hub', outcome);
          return;
        }
        this.#session = outcome.session;
        this.#post({ table: 'session', event: 'connected' });
        this.#listen(outcome.session);
      };
    });
  }

  #listen(session: HubSession): void {
    session.onLost((failure) => {
      if (this.#session !== session) return;
      this.#watcher.failed?.('staying connected', failure);
      this.#post({ table: 'session', event: 'lost' });
    });
    session.onDesired((patch) => {
      if (this.#session === session) this.#desired(patch);
    });
  }

  #disconnect(): void {
    this.#operations.cancel('session');
    const session = this.#session;
    this.#session = undefined;
    if (session !== undefined) this.#operations.keep(session.close());
  }

  #desired(patch: JsonObject & { $version: number }): void {
    const known = this.#twin?.desired.$version ?? 0;
    if (this.#twin !== undefined && patch.$version <= known) return;
    if (this.#twin !== undefined && this.#machine().config === 'settled' && patch.$version === known + 1) {
      this.#twin = { ...this.#twin, desired: { ...mergeTwin(this.#twin.desired, patch), $version: patch.$version } };
      this.#post({ table: 'config', event: 'desired' });
    } else {
      this.#post({ table: 'config', event: 'gap' });
    }
  }

  #pull(): void {
    const session = this.#connected();
    this.#operations.run('config', this.#ports.timeouts.requestMs, async (signal) => {
      const outcome = await session.getTwin(signal);
      return () => {
        if (outcome.outcome !== 'twin') {
          this.#failure('config', 'reading the twin', outcome);
          return;
        }
        this.#twin = outcome.twin;
        this.#post({ table: 'config', event: 'twin' });
      };
    });
  }

  #apply(): void {
    const wanted = this.#wanted();
    this.#operations.run('config', this.#ports.timeouts.requestMs, async (signal) => {
      const problem = await this.#ports.config.apply(wanted, signal).then(
        () => undefined,
        (error: unknown) => (error instanceof Error ? error.message : String(error)).slice(0, APPLY_ERROR_MAX),
      );
      return () => {
        this.#applyError = problem;
        if (problem === undefined) this.#applied = wanted;
        this.#post({ table: 'config', event: problem === undefined ? 'applied' : 'apply-failed' });
      };
    });
  }

  #commitConfig(): void {
    const kept = this.#guarded('keeping the configuration', () => this.#mounted().memory.keepConfig(this.#wanted()));
    this.#post({ table: 'config', event: kept ? 'committed' : 'commit-failed' });
  }

  #report(): void {
    const session = this.#connected();
    const patch: JsonObject = {
      config: {
        desiredVersion: this.#wanted().version,
        status: this.#applyError === undefined ? 'applied' : 'failed',
        error: this.#applyError ?? null,
      },
    };
    this.#operations.run('config', this.#ports.timeouts.requestMs, async (signal) => {
      const outcome = await session.report(patch, signal);
      return () => {
        if (outcome.outcome !== 'reported') {
          this.#failure('config', 'reporting the configuration', outcome);
          return;
        }
        this.#post({ table: 'config', event: 'reported' });
      };
    });
  }

  #wait(table: 'assignment' | 'session' | 'config', ms: number): void {
    this.#watcher.waiting?.(table, ms);
    this.#operations.run(table, Number.POSITIVE_INFINITY, async (signal) => {
      await this.#ports.clock.wait(ms, signal);
      return () => this.#post({ table, event: 'due' });
    });
  }

  // Asked anew for each attempt: a cloud that was started again may be elsewhere, with another certificate authority.
  #destination(): Endpoint {
    this.#guarded('finding out where to go', () => {
      this.#endpoint = this.#ports.endpoint(this.#known());
    });
    return present(this.#endpoint, 'an endpoint');
  }

  #failure(table: 'assignment' | 'session' | 'config', during: string, failure: Failure): void {
    this.#watcher.failed?.(during, failure);
    this.#post({ table, failure: failure.outcome, retryAfterMs: failure.retryAfterMs ?? 0 });
  }

  #guarded(during: string, write: () => void): boolean {
    try {
      write();
      return true;
    } catch (error) {
      this.#fault(during, error);
      return false;
    }
  }

  #fault(during: string, error: unknown): void {
    this.#watcher.fault?.(during, error instanceof Error ? error : new Error(String(error)));
  }

  #wanted(): AppliedConfig {
    const desired = present(this.#twin, 'a twin').desired;
    return { version: desired.$version, values: withoutService(desired) };
  }

  #mounted = (): MountedFlash => present(this.#flash, 'a mounted flash');
  #known = (): Identity => present(this.#identity, 'an identity');
  #assigned = (): Assignment => present(this.#assignment, 'an assignment');
  #connected = (): HubSession => present(this.#session, 'a session');
}

// The tables order the effects so that this never throws; if it does, a row is wrong.
function present<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`the boot tables asked for an effect that needs ${what} before there was one`);
  return value;
}
