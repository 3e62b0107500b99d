import type { JsonObject } from '@zerotouch/azure-wire/twin';
import { Driver } from '@zerotouch/firmware-sim/boot/driver';
import { type DriverPorts, type DriverWatcher, defaultTimeouts } from '@zerotouch/firmware-sim/boot/driver-ports';
import { Memory } from '@zerotouch/firmware-sim/boot/memory';
import type { DpsOutcome, Failure, HubOutcome, HubSession, MethodCall } from '@zerotouch/firmware-sim/boot/ports';
import { defaultRetryPolicy } from '@zerotouch/firmware-sim/boot/retry';
import { deviceState } from '@zerotouch/firmware-sim/boot/state';
import type { Identity } from '@zerotouch/firmware-sim/identity/identity';
import type { AppSlots } from '@zerotouch/flash-image/app-slots';
import { NvsStore } from '@zerotouch/flash-image/nvs/store';
import { memoryStorage } from '@zerotouch/flash-image/storage';
import { seededEntropy } from '@zerotouch/foundation/entropy';
import { VirtualClock } from '@zerotouch/foundation/virtual-clock';

export const identity: Identity = {
  idScope: '0ne00000A1B',
  endpoint: 'global.azure-devices-provisioning.net',
  registrationId: 'thermo-000001',
  serial: '000001',
  attestation: { kind: 'symmetric-key', key: Buffer.alloc(32, 7) },
};

/** A hub session whose other end is the test. */
export class ScriptedSession implements HubSession {
  desired: JsonObject & { $version: number } = { $version: 1, interval: 10 };
  readonly reports: JsonObject[] = [];
  closed = false;
  failNext: Failure | undefined;
  #desired: (patch: JsonObject & { $version: number }) => void = () => {};
  #lost: (failure: Failure) => void = () => {};
  #method: (call: MethodCall) => void = () => {};

  async getTwin() {
    const failure = this.#takeFailure();
    return failure ?? { outcome: 'twin' as const, twin: { desired: this.desired, reported: { $version: 1 } } };
  }

  async report(patch: JsonObject) {
    const failure = this.#takeFailure();
    if (failure === undefined) this.reports.push(patch);
    return failure ?? { outcome: 'reported' as const };
  }

  async send() {
    return { outcome: 'sent' as const };
  }

  onDesired(listener: (patch: JsonObject & { $version: number }) => void) {
    this.#desired = listener;
  }

  onLost(listener: (failure: Failure) => void) {
    this.#lost = listener;
  }

  onMethod(_names: readonly string[], listener: (call: MethodCall) => void) {
    this.#method = listener;
  }

  /** Calls a direct method; resolves with the status of its answer. */
  call(name: string, payload?: unknown): Promise<number> {
    return new Promise((resolve) => {
      this.#method({ name, payload, respond: async (status) => resolve(status) });
    });
  }

  async close() {
    this.closed = true;
  }

  push(patch: JsonObject & { $version: number }) {
    this.desired = { ...this.desired, ...patch };
    this.#desired(patch);
  }

  lose(failure: Failure = { outcome: 'dropped', detail: 'the line went dead' }) {
    this.#lost(failure);
  }

  #takeFailure(): Failure | undefined {
    const failure = this.failNext;
    this.failNext = undefined;
    return failure;
  }
}

/** A device on a bench: real tables, real flash format, a clock that stands still, and a cloud that says what the test says. */
export class Bench {
  readonly clock = new VirtualClock();
  readonly flash = memoryStorage(Buffer.alloc(0x6000, 0xff));
  readonly states: string[] = [];
  readonly slotStates: string[] = [];
  /** What the bootloader finds at each mount. */
  slots: () => AppSlots | undefined = () => undefined;
  readonly waits: number[] = [];
  readonly faults: string[] = [];
  /** What DPS and the hub answer, in order; the last answer stays. */
  dpsAnswers: (DpsOutcome | 'silence' | 'deaf')[] = [{ outcome: 'assigned', hub: 'hub-weu.azure-devices.net', deviceId: 'thermo-000001' }];
  hubAnswers: (Failure | 'session')[] = ['session'];
  /** What a configuration is turned down with, if it is. */
  applyError: string | ((values: JsonObject) => string | undefined) | undefined;
  /** The configurations that were applied, or tried. */
  readonly applications: JsonObject[] = [];
  /** ID scopes that registered. */
  readonly scopes: string[] = [];
  registrations = 0;
  connections: string[] = [];
  sessions: ScriptedSession[] = [];
  mountError: Error | undefined;
  identityError: Error | undefined;
  failWrites = false;
  readonly #atWork = new Set<Promise<unknown>>();
  #arrived: () => void = () => {};

  /** Has virtual time wait for something that takes real time: making a key. */
  real<T>(work: Promise<T>): Promise<T> {
    const tracked = work.finally(() => this.#atWork.delete(tracked));
    this.#atWork.add(tracked);
    return tracked;
  }

  /** @param overhear hears what the driver tells, before the bench does */
  driver(overrides: Partial<DriverPorts> = {}, overhear: (watcher: DriverWatcher) => DriverWatcher = (watcher) => watcher): Driver {
    const driver = new Driver(
      {
        mount: () => {
          if (this.mountError !== undefined) throw this.mountError;
          const nvs = NvsStore.open({
            ...this.flash,
            write: (offset, bytes) => (this.failWrites ? refuse() : this.flash.write(offset, bytes)),
          });
          return {
            identity: () => {
              if (this.identityError !== undefined) throw this.identityError;
              return identity;
            },
            memory: new Memory(nvs),
            slots: this.slots(),
            close: () => {},
          };
        },
        endpoint: () => ({ dpsHost: 'dps.example', dpsPort: 8883 }),
        time: { set: async () => 'clock-set' },
        dps: {
          register: async (request, progress, signal) => {
            this.registrations += 1;
            this.scopes.push(request.identity.idScope);
            progress('connected');
            progress('assigning');
            const answer = next(this.dpsAnswers);
            // Not even an aborted signal ends it.
            if (answer === 'deaf') return new Promise(() => {});
            if (answer !== 'silence') return answer;
            await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
            return { outcome: 'timed-out', detail: 'nobody answered' };
          },
        },
        hub: {
          connect: async ({ assignment }): Promise<HubOutcome> => {
            this.connections.push(assignment.hub);
            const answer = next(this.hubAnswers);
            if (answer !== 'session') return answer;
            const session = new ScriptedSession();
            this.sessions.push(session);
            return { outcome: 'connected', session };
          },
        },
        config: {
          apply: async ({ values }) => {
            this.applications.push(values);
            const problem = typeof this.applyError === 'function' ? this.applyError(values) : this.applyError;
            if (problem !== undefined) throw new Error(problem);
          },
        },
        clock: this.clock,
        entropy: seededEntropy('bench'),
        policy: defaultRetryPolicy,
        timeouts: defaultTimeouts,
        ...overrides,
      },
      overhear({
        stepped: (machine) => {
          this.states.push(deviceState(machine).state);
          this.#arrived();
        },
        slots: (state) => {
          this.slotStates.push(state);
          this.#arrived();
        },
        waiting: (_table, ms) => this.waits.push(ms),
        fault: (during) => this.faults.push(during),
      }),
    );
    return driver;
  }

  get session(): ScriptedSession {
    const session = this.sessions.at(-1);
    if (session === undefined) throw new Error('no session yet');
    return session;
  }

  /** Resolves when the condition holds; it is looked at after every step of the machine. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#arrived = resolve;
      });
    }
  }

  /** Lets everything that is already possible happen, then moves time to the next wake-up, until the condition holds. */
  async untilInTime(condition: () => boolean): Promise<void> {
    for (let turns = 0; !condition(); turns++) {
      if (turns > 10_000) throw new Error(`never came: ${this.states.slice(-20).join(' ')}`);
      await new Promise<void>((resolve) => setImmediate(resolve));
      if (this.#atWork.size > 0) {
        await Promise.allSettled(this.#atWork);
        continue;
      }
      if (condition()) return;
      const wait = this.clock.nextIn();
      if (wait !== undefined) this.clock.advance(wait);
    }
  }
}

function next<T>(answers: T[]): T {
  return (answers.length > 1 ? answers.shift() : answers[0]) as T;
}

function refuse(): never {
  throw new Error('the flash refuses to be written');
}
