import type { Entropy } from '@zerotouch/foundation/entropy';

/** Numbers of the retry rules; all times in milliseconds. */
export interface RetryPolicy {
  /** First back-off step; each further one doubles. */
  readonly baseMs: number;
  /** Longest back-off step. */
  readonly capMs: number;
  /** No wait is shorter than this, whatever the dice say. */
  readonly floorMs: number;
  /** How long a refused device waits before it asks DPS again, before jitter. */
  readonly refusalMs: number;
  /** How long failures at one hub may last before DPS is asked: drawn between these two. */
  readonly stayMs: readonly [least: number, most: number];
  /** How many ambiguous answers in a row count as a refusal. */
  readonly ambiguousLimit: number;
  /** A session that lasted this long was a good one: after it, back-off starts anew. */
  readonly lastingMs: number;
  /** How often DPS may be asked: so many calls at once, then as many in so long. */
  readonly budget: { readonly calls: number; readonly perMs: number };
  /**
   * A wait for DPS of at least this is kept in flash, so that a reboot does not shorten it. Shorter ones would wear the flash for little.
   * Infinity: neither kept nor heeded, for a boot that somebody waits for.
   */
  readonly keepMs: number;
  /** After so many boots in a row that did not end well, the device goes into safe mode. */
  readonly failedBoots: number;
  /** A device that has been running for so long is healthy: its boot has ended well. */
  readonly healthMs: number;
  /** How long a device stays in safe mode before it tries by itself. */
  readonly safeMs: number;
  /** How long a new application has to prove itself; then the one before is booted again. */
  readonly trialMs: number;
}

/**
 * The rules a real device runs. Staying 15 to 30 minutes with a failing hub follows Microsoft's advice for large deployments
 * (iot-dps/how-to-reprovision, concepts-device-reprovision).
 */
export const defaultRetryPolicy: RetryPolicy = {
  baseMs: 1_000,
  capMs: 5 * 60_000,
  floorMs: 200,
  refusalMs: 10 * 60_000,
  stayMs: [15 * 60_000, 30 * 60_000],
  ambiguousLimit: 5,
  lastingMs: 5 * 60_000,
  budget: { calls: 12, perMs: 60 * 60_000 },
  keepMs: 60_000,
  failedBoots: 5,
  healthMs: 60_000,
  safeMs: 60 * 60_000,
  trialMs: 30 * 60_000,
};

/**
 * How long to wait before attempt `attempt + 1`: exponential with full jitter, or what the service asked for when it did, plus up to a
 * quarter of it, so that devices told the same number do not come back in the same instant.
 * @param attempt failures so far, from 1
 * @param unit a random number in [0, 1)
 * @param retryAfterMs what the service asked for, 0 when it said nothing
 */
export function backOffMs(policy: RetryPolicy, attempt: number, unit: number, retryAfterMs = 0): number {
  if (retryAfterMs > 0) return Math.round(retryAfterMs * (1 + unit / 4));
  const ceiling = Math.min(policy.capMs, policy.baseMs * 2 ** Math.min(attempt - 1, 30));
  return Math.max(policy.floorMs, Math.round(unit * ceiling));
}

/** The waits between attempts, one after the other and without end. `next` takes what the service asked for, in milliseconds. */
export interface RetrySchedule extends Iterable<number> {
  next(retryAfterMs?: number): IteratorYieldResult<number>;
}

/**
 * A schedule of {@link backOffMs}, the one that the machine takes its waits from.
 * @param failed failures before this, for a schedule that goes on
 */
export function retrySchedule(policy: RetryPolicy, entropy: Pick<Entropy, 'unit'>, failed = 0): RetrySchedule {
  let attempt = failed;
  const schedule: RetrySchedule = {
    next(retryAfterMs = 0) {
      attempt += 1;
      return { done: false, value: backOffMs(policy, attempt, entropy.unit(), retryAfterMs) };
    },
    [Symbol.iterator]: () => schedule as Iterator<number>,
  };
  return schedule;
}

/** The cool-down after a refusal: between a half and the whole of `refusalMs`. */
export function coolDownMs(policy: RetryPolicy, unit: number): number {
  return Math.round(policy.refusalMs * (0.5 + unit / 2));
}

/** How long this device stays with a failing hub. */
export function stayMs(policy: RetryPolicy, unit: number): number {
  const [least, most] = policy.stayMs;
  return Math.round(least + unit * (most - least));
}

/**
 * What is left of the budget, in one number: the time at which all of it will be there again (generic cell rate algorithm, ATM Forum TM 4.0).
 * @returns that time after one more call at `now`
 */
export function spend({ budget }: RetryPolicy, restoredAt: number, now: number): number {
  return Math.max(restoredAt, now) + budget.perMs / budget.calls;
}

/** How long until the budget allows one more call; 0 when it does now. */
export function budgetWaitMs(policy: RetryPolicy, restoredAt: number, now: number): number {
  return Math.max(0, spend(policy, restoredAt, now) - policy.budget.perMs - now);
}
