import type { NorFlash } from '@zerotouch/flash-image/nor';
import type { DriverPorts } from '../boot/driver-ports.js';
import type { Failure, FailureKind, HubSession } from '../boot/ports.js';
import type { DayTime } from './day-time.js';
import type { FalseAnswer, Moment, Scenario, ScenarioFault } from './scenario.js';

/** What the troubles do to the device itself, rather than to what it reaches. */
export interface Victim {
  /** The program is gone, without a chance to say so. */
  die(): void;
  obey(command: 'reprovision' | 'restart' | 'factory-reset'): void;
}

/** A service that answers falsely, until it has done so often or long enough. */
interface Window extends FalseAnswer {
  readonly service: 'dps' | 'hub';
  readonly until: number;
  left: number;
}

/** A fault that is yet to come. */
interface Pending {
  readonly fault: ScenarioFault;
  /** How often its state was entered. */
  seen: number;
  /** How often it is to come. */
  left: number;
}

/** The chip that the faults of a scenario concern. */
export type TroubledFlash = Pick<NorFlash, 'powered' | 'cutPower' | 'wearOut'>;

/** The faults of one scenario as they come and go, between a device and what it reaches. */
export class Troubles {
  /** Registrations that the device began. */
  dpsCalls = 0;
  readonly #clock: DayTime;
  readonly #flash: TroubledFlash;
  #pending: Pending[];
  readonly #windows: Window[] = [];
  #configFails = 0;
  readonly #passed: (() => void) | undefined;
  #drop: (() => void) | undefined;
  #victim: Victim | undefined;
  #ended: AbortSignal | undefined;

  /** @param passed called when a fault that lasts for some time is over */
  constructor({ faults }: Scenario, flash: TroubledFlash, clock: DayTime, passed?: () => void) {
    this.#passed = passed;
    this.#flash = flash;
    this.#clock = clock;
    this.#pending = faults.map((fault) => ({ fault, seen: 0, left: fault.fault === 'crash' ? (fault.times ?? 1) : 1 }));
  }

  /** Whether all of them have come, and those that last are over. */
  get over(): boolean {
    return this.#pending.length === 0 && this.#open().length === 0 && this.#configFails === 0;
  }

  /** The day begins. Those that come after a while are on their way. */
  begin(signal: AbortSignal): void {
    this.#ended = signal;
    for (const { fault } of this.#pending) {
      const seconds = typeof fault.when === 'object' && 'afterSeconds' in fault.when ? fault.when.afterSeconds : undefined;
      if (seconds === undefined) continue;
      this.#clock.wait(seconds * 1000, signal).then(
        () => this.#come((when) => when === fault.when),
        () => undefined,
      );
    }
  }

  /** The device is switched on. */
  powered(victim: Victim): void {
    this.#victim = victim;
    this.#come((when) => when === 'start');
  }

  /** The device entered a state. */
  entered(state: string): void {
    for (const one of [...this.#pending]) {
      const { when } = one.fault;
      if (typeof when !== 'object' || !('state' in when) || when.state !== state) continue;
      one.seen += 1;
      if (one.seen >= (when.nth ?? 1)) this.#fire(one);
    }
  }

  /** Stands between a device and its ports. */
  between(ports: DriverPorts): DriverPorts {
    return {
      ...ports,
      time: { set: (signal) => this.#clock.real(ports.time.set(signal)) },
      dps: {
        register: async (request, progress, signal) => {
          if (!this.#flash.powered) return ended(signal);
          this.dpsCalls += 1;
          return (await this.#falsely('dps', signal)) ?? this.#clock.real(ports.dps.register(request, progress, signal));
        },
      },
      hub: {
        connect: async (request, signal) => {
          if (!this.#flash.powered) return ended(signal);
          const failure = await this.#falsely('hub', signal);
          if (failure !== undefined) return failure;
          const outcome = await this.#clock.real(ports.hub.connect(request, signal));
          return outcome.outcome === 'connected' ? { outcome: 'connected', session: this.#stretched(outcome.session) } : outcome;
        },
      },
      config: {
        apply: async (config, signal) => {
          if (this.#configFails === 0) return this.#clock.real(ports.config.apply(config, signal));
          this.#configFails -= 1;
          throw new Error('the scenario lets no configuration be applied');
        },
      },
    };
  }

  #come(now: (when: Moment) => boolean): void {
    for (const one of [...this.#pending]) if (now(one.fault.when)) this.#fire(one);
  }

  #fire(one: Pending): void {
    one.left -= 1;
    if (one.left === 0) this.#pending = this.#pending.filter((other) => other !== one);
    const { fault } = one;
    switch (fault.fault) {
      case 'power-cut':
        this.#flash.cutPower(fault.afterWords, fault.inside);
        return;
      case 'crash':
        this.#victim?.die();
        return;
      case 'dps':
      case 'hub': {
        const until = fault.forSeconds === undefined ? Number.POSITIVE_INFINITY : this.#clock.monotonic() + fault.forSeconds * 1000;
        const left = fault.times ?? (fault.forSeconds === undefined ? 1 : Number.POSITIVE_INFINITY);
        this.#windows.push({ ...fault, service: fault.fault, until, left });
        if (fault.forSeconds !== undefined && this.#passed !== undefined) {
          this.#clock.wait(fault.forSeconds * 1000, this.#ended).then(this.#passed, () => undefined);
        }
        return;
      }
      case 'link-drop':
        this.#drop?.();
        return;
      case 'clock':
        this.#clock.set(fault.to === undefined ? this.#clock.now() + (fault.jumpSeconds ?? 0) * 1000 : Date.parse(fault.to));
        return;
      case 'config-fails':
        this.#configFails += fault.times ?? 1;
        return;
      case 'command':
        this.#victim?.obey(fault.command);
        return;
      case 'bad-sector':
        this.#flash.wearOut(fault.sector);
    }
  }

  #open(): Window[] {
    return this.#windows.filter(({ left, until }) => left > 0 && this.#clock.monotonic() < until);
  }

  async #falsely(service: 'dps' | 'hub', signal: AbortSignal): Promise<Failure | undefined> {
    const window = this.#open().find((open) => open.service === service);
    if (window === undefined) return undefined;
    window.left -= 1;
    if (window.answer === 'hangs') return new Promise(() => {});
    // Nobody answers: that takes all the time there is.
    if (window.answer === 'timed-out')
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    return failure(window.answer, window.retryAfterSeconds);
  }

  #stretched(session: HubSession): HubSession {
    let lost: (failure: Failure) => void = () => {};
    this.#drop = () => {
      void session.close();
      lost(failure('dropped'));
    };
    return {
      getTwin: (signal) => this.#clock.real(session.getTwin(signal)),
      report: (patch, signal) => this.#clock.real(session.report(patch, signal)),
      send: (message, signal) => this.#clock.real(session.send(message, signal)),
      onDesired: (listener) => session.onDesired(listener),
      onMissed: (listener) => session.onMissed?.(listener),
      onMethod: (names, listener) => session.onMethod?.(names, listener),
      onLost: (listener) => {
        lost = listener;
        session.onLost(listener);
      },
      close: () => this.#clock.real(session.close()),
    };
  }
}

/** Nothing comes of it, until somebody ends it. */
async function ended(signal: AbortSignal): Promise<Failure> {
  if (!signal.aborted) await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  return failure('timed-out');
}

function failure(outcome: FailureKind, retryAfterSeconds?: number): Failure {
  return {
    outcome,
    detail: `the scenario says ${outcome}`,
    ...(retryAfterSeconds === undefined ? {} : { retryAfterMs: retryAfterSeconds * 1000 }),
  };
}
