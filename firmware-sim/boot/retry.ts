/** Numbers of the retry rules; all times in milliseconds. */
export interface RetryPolicy {
  /** First back-off step; each further one doubles. */
  readonly baseMs: number;
  /** Longest back-off step. */
  readonly capMs: number;
  /** How long a refused device waits before it asks DPS again, before jitter. */
  readonly refusalMs: number;
  /** How long failures at one hub may last before DPS is asked: drawn between these two. */
  readonly stayMs: readonly [least: number, most: number];
  /** How many ambiguous answers in a row count as a refusal. */
  readonly ambiguousLimit: number;
  /** A session that lasted this long was a good one: after it, back-off starts anew. */
  readonly lastingMs: number;
}

/**
 * The rules a real device runs. Staying 15 to 30 minutes with a failing hub follows Microsoft's advice for large deployments
 * (iot-dps/how-to-reprovision, concepts-device-reprovision).
 */
export const defaultRetryPolicy: RetryPolicy = {
  baseMs: 1_000,
  capMs: 5 * 60_000,
  refusalMs: 10 * 60_000,
  stayMs: [15 * 60_000, 30 * 60_000],
  ambiguousLimit: 5,
  lastingMs: 5 * 60_000,
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
  return Math.round(unit * ceiling);
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
