import type { Clock } from '@zerotouch/foundation/clock';

/** A clock that stands still until it is told to move. */
export class ManualClock implements Clock {
  #now: number;
  #monotonic = 0;
  readonly #waits = new Set<{ until: number; wake: () => void }>();

  constructor(now: number) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  wait(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason);
      const wait = { until: this.#monotonic + ms, wake: resolve };
      this.#waits.add(wait);
      signal?.addEventListener('abort', () => {
        this.#waits.delete(wait);
        reject(signal.reason);
      });
    });
  }

  /** Moves on by `ms` and wakes who waited for less. */
  advance(ms: number): void {
    this.#now += ms;
    this.#monotonic += ms;
    for (const wait of [...this.#waits]) {
      if (wait.until > this.#monotonic) continue;
      this.#waits.delete(wait);
      wait.wake();
    }
  }
}
