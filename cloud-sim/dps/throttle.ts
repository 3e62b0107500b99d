import type { Clock } from '@zerotouch/foundation/clock';
import type { LimitValues } from '../limits.js';
import type { Reason } from '../reasons.js';

/** A stretch of time and what was let through in it. Monotonic milliseconds. */
export interface Window {
  readonly start: number;
  readonly count: number;
}

/** Let through, or told when to come again. */
export type Admission = { window: Window; retryAfterSeconds?: number };

/**
 * Counts one more in its window, or refuses it until the window is over. Pure. Azure does not say how it counts; whole windows are what its
 * wording ("1,000 a minute", "5 in 10 s") says.
 * @param now monotonic milliseconds
 * @param lengthMs of the window
 */
export function admit(window: Window | undefined, now: number, limit: number, lengthMs: number): Admission {
  const current = window !== undefined && now < window.start + lengthMs ? window : { start: now, count: 0 };
  if (current.count < limit) return { window: { start: current.start, count: current.count + 1 } };
  return { window: current, retryAfterSeconds: Math.max(1, Math.ceil((current.start + lengthMs - now) / 1000)) };
}

/** Told to come again: what is answered, and why in truth. */
export interface Throttled {
  retryAfterSeconds: number;
  reason: Reason;
}

const MINUTE_MS = 60_000;
/** Devices whose polls are counted before those that are over are forgotten. */
const PRUNE_AT = 10_000;

/** Keeps the rates of DPS, in this process. Source: azure-docs includes/iot-dps-limits. */
export class Throttle {
  readonly #limits: LimitValues;
  readonly #clock: Clock;
  readonly #polls = new Map<string, Window>();
  #registrations: Window | undefined;
  #operations: Window | undefined;

  constructor({ limits, clock }: { limits: LimitValues; clock: Clock }) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** A device asks to be registered (or looks its registration up: Azure counts that alike). */
  registration(): Throttled | undefined {
    const limit = this.#limits.registrationsPerMinute;
    const { window, retryAfterSeconds } = admit(this.#registrations, this.#clock.monotonic(), limit, MINUTE_MS);
    this.#registrations = window;
    return throttled(retryAfterSeconds, 'throttled-registrations', 'registrations of all devices', limit, 'a minute');
  }

  /** An operator calls the service API. */
  operation(): Throttled | undefined {
    const limit = this.#limits.operationsPerMinute;
    const { window, retryAfterSeconds } = admit(this.#operations, this.#clock.monotonic(), limit, MINUTE_MS);
    this.#operations = window;
    return throttled(retryAfterSeconds, 'throttled-operations', 'calls of the service API', limit, 'a minute');
  }

  /**
   * A device asks what became of its operation.
   * @param key its canonical registration id
   */
  poll(key: string): Throttled | undefined {
    const { pollsPerWindow: limit, pollWindowMs } = this.#limits;
    if (limit === Number.POSITIVE_INFINITY) return undefined;
    const now = this.#clock.monotonic();
    const { window, retryAfterSeconds } = admit(this.#polls.get(key), now, limit, pollWindowMs);
    this.#polls.set(key, window);
    if (this.#polls.size > PRUNE_AT) for (const [id, { start }] of this.#polls) if (start + pollWindowMs <= now) this.#polls.delete(id);
    return throttled(retryAfterSeconds, 'throttled-polls', 'polls of this device', limit, `in ${pollWindowMs / 1000} s`);
  }
}

function throttled(
  retryAfterSeconds: number | undefined,
  rule: 'throttled-registrations' | 'throttled-operations' | 'throttled-polls',
  what: string,
  limit: number,
  per: string,
): Throttled | undefined {
  if (retryAfterSeconds === undefined) return undefined;
  return {
    retryAfterSeconds,
    reason: {
      rule,
      text: `too many ${what}: the limit is ${limit} ${per}`,
      seen: `request ${limit + 1} of its window`,
      expected: `at most ${limit} ${per}`,
      nearest: `the same request ${retryAfterSeconds} s later`,
      remedy: 'obey retry-after, and spread the devices over time; the option limits of the local cloud changes what is allowed',
    },
  };
}
