import type { DeviceTwinDocument, JsonObject } from '@zerotouch/azure-wire/twin';
import { mergeTwin, withoutService } from '@zerotouch/azure-wire/twin';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import { type Fault, isFault } from '@zerotouch/foundation/fault';
import type { Identity } from '../identity/identity.js';
import type { AppliedConfig } from './memory.js';
import { Operations } from './operations.js';
import type { Assignment, ConfigPort, DpsPort, Endpoint, Failure, HubPort, HubSession, MountedFlash, TimePort } from './ports.js';
import type { RetryPolicy } from './retry.js';
import { type Machine, type MachineEffect, type MachineEvent, poweredOff, step } from './supervisor.js';

/** How long one operation may take before it counts as timed out, milliseconds. */
export interface Timeouts {
  readonly registerMs: number;
  readonly connectMs: number;
  readonly requestMs: number;
}

/** The times a real device allows: a registration may wait for a busy DPS, a twin request may not. */
export const defaultTimeouts: Timeouts = { registerMs: 120_000, connectMs: 60_000, requestMs: 30_000 };

/** Everything the driver acts through. */
export interface DriverPorts {
  readonly mount: () => MountedFlash;
  /** Where to go, known once the identity is. */
  readonly endpoint: (identity: Identity) => Endpoint;
  readonly time: TimePort;
  readonly dps: DpsPort;
  readonly hub: HubPort;
  readonly config: ConfigPort;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly policy: RetryPolicy;
  readonly timeouts: Timeouts;
}

/** What the driver tells whoever watches; nothing here steers the device. */
export interface DriverWatcher {
  /** After every step that changed a state. */
  stepped?(machine: Machine): void;
  /** Something failed; the machine goes on as its tables say. */
  failed?(during: string, failure: Failure): void;
  /** A wait begins. */
  waiting?(table: 'assignment' | 'session' | 'config', ms: number): void;
  /** The flash did not take a write, the identity cannot be used. */
  fault?(during: string, fault: Error): void;
  /** Configured and connected; called again after every reconnection. */
  running?(): void;
}

/**
 * Carries out the effects of the boot machine, one device a driver, and feeds what happened back as events. It takes no decision.
 */
export class Driver {
  readonly #ports: DriverPorts;
  readonly #watcher: DriverWatcher;
  readonly #operations: Operations;
  readonly #queue: MachineEvent[] = [];
  #machine: Machine = poweredOff;
  #stepping = false;
  #flash: MountedFlash | undefined;
  #identity: Identity | undefined;
  #assignment: Assignment | undefined;
  #session: HubSession | undefined;
  #twin: DeviceTwinDocument | undefined;
  #applied: AppliedConfig | undefined;
  #applyError: string | undefined;

  constructor(ports: DriverPorts, watcher: DriverWatcher = {}) {
    this.#ports = ports;
    this.#watcher = watcher;
    this.#operations = new Operations(ports.clock);
  }

  get machine(): Machine {
    return this.#machine;
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

  powerOn(): void {
    this.#post({ table: 'power', event: 'power-on' });
  }

  /** Ends every operation and connection, closes the flash; resolves when all of that is done. */
  async powerOff(): Promise<void> {
    this.#post({ table: 'power', event: 'power-off' });
    await this.#operations.idle();
    this.#flash?.close();
    this.#flash = undefined;
  }

  // Events are taken one at a time: an effect that answers at once must not step the machine inside a step.
  #post(event: MachineEvent): void {
    this.#queue.push(event);
    if (this.#stepping) return;
    this.#stepping = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) this.#step(next);
    } finally {
      this.#stepping = false;
    }
  }

  #step(event: MachineEvent): void {
    const { clock, entropy, policy } = this.#ports;
    const before = this.#machine;
    const [after, effects] = step(before, event, { now: clock.monotonic(), unit: () => entropy.unit(), policy });
    this.#machine = after;
    const moved =
      before.power !== after.power ||
      before.assignment !== after.assignment ||
      before.session !== after.session ||
      before.config !== after.config;
    if (moved) this.#watcher.stepped?.(after);
    for (const effect of effects) this.#carryOut(effect);
  }

  #carryOut(effect: MachineEffect): void {
    switch (effect.do) {
      case 'mount':
        return this.#mount();
      case 'identify':
        return this.#identify();
      case 'set-clock':
        return this.#setClock();
      case 'recall':
        return this.#recall();
      case 'register':
        return this.#register();
      case 'commit-assignment':
        return this.#commitAssignment();
      case 'cancel-assignment':
        return this.#operations.cancel('assignment');
      case 'connect':
        return this.#connect();
      case 'disconnect':
        return this.#disconnect();
      case 'pull':
        return this.#pull();
      case 'apply':
        return this.#apply();
      case 'commit-config':
        return this.#commitConfig();
      case 'report':
        return this.#report();
      case 'cancel-config':
        return this.#operations.cancel('config');
      case 'wait':
        return this.#wait(effect.table, effect.ms);
      case 'arrive':
        this.#watcher.running?.();
        return;
      case 'halt':
        return;
      case 'switch-off':
        this.#operations.cancel('power');
    }
  }

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
    const endpoint = this.#ports.endpoint(identity);
    this.#operations.run('assignment', this.#ports.timeouts.registerMs, async (signal, current) => {
      const outcome = await this.#ports.dps.register(
        { identity, endpoint },
        (sign) => {
          if (current()) this.#post({ table: 'assignment', event: sign });
        },
        signal,
      );
      return () => {
        if (outcome.outcome !== 'assigned') return this.#failure('assignment', 'registering', outcome);
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
    const identity = this.#known();
    const request = { identity, endpoint: this.#ports.endpoint(identity), assignment: this.#assigned() };
    this.#operations.run('session', this.#ports.timeouts.connectMs, async (signal, current) => {
      const outcome = await this.#ports.hub.connect(request, signal);
      if (outcome.outcome === 'connected' && !current()) await outcome.session.close();
      return () => {
        if (outcome.outcome !== 'connected') return this.#failure('session', 'connecting to the hub', outcome);
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
    if (this.#twin !== undefined && this.#machine.config === 'settled' && patch.$version === known + 1) {
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
        if (outcome.outcome !== 'twin') return this.#failure('config', 'reading the twin', outcome);
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
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
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
        if (outcome.outcome !== 'reported') return this.#failure('config', 'reporting the configuration', outcome);
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
    const fault: Error | Fault = isFault(error) || error instanceof Error ? error : new Error(String(error));
    this.#watcher.fault?.(during, fault);
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
