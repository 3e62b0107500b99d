import { setTimeout as sleep } from 'node:timers/promises';

/** Time as a thing that is handed in. */
export interface Clock {
  /** Wall-clock time, milliseconds since 1970-01-01 UTC. May be wrong, may jump. */
  now(): number;
  /** Milliseconds since an arbitrary start; never goes back. For durations and deadlines. */
  monotonic(): number;
  /**
   * Resolves after `ms` milliseconds. Rejects with the signal's reason when it is aborted first.
   */
  wait(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The longest time one of Node's timers can take, milliseconds. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  async wait(ms, signal) {
    try {
      // A single timer of more than 24.8 days would fire at once.
      for (let left = ms; left >= 0; left -= LONGEST_TIMER_MS) {
        await sleep(Math.min(left, LONGEST_TIMER_MS), undefined, signal === undefined ? undefined : { signal });
      }
    } catch (error) {
      // Node rejects with an AbortError of its own around the reason.
      throw signal?.aborted === true ? signal.reason : error;
    }
  },
};
