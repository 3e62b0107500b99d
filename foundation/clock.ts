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
  wait: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason);
      let timer: NodeJS.Timeout;
      // A single timer of more than 24.8 days would fire at once.
      const sleep = (left: number): void => {
        timer = setTimeout(() => (left > LONGEST_TIMER_MS ? sleep(left - LONGEST_TIMER_MS) : wake()), Math.min(left, LONGEST_TIMER_MS));
      };
      const onAbort = (): void => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const wake = (): void => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      };
      sleep(ms);
      signal?.addEventListener('abort', onAbort, { once: true });
    }),
};
