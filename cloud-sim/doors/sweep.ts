import type { Clock } from '@zerotouch/foundation/clock';

/** How often deadlines are looked at, milliseconds: they are of whole seconds. */
const INTERVAL_MS = 500;

/** Something with deadlines. */
export interface Watched {
  /** Acts on the deadlines that have passed. */
  sweep(): void;
}

/** Looks at the deadlines of many connections with one timer instead of several a connection. */
export class Sweep {
  readonly #watched = new Set<Watched>();
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;

  constructor(clock: Clock) {
    this.#done = this.#run(clock);
  }

  add(watched: Watched): void {
    this.#watched.add(watched);
  }

  delete(watched: Watched): void {
    this.#watched.delete(watched);
  }

  /** Resolves when the timer is gone. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  async #run(clock: Clock): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await clock.wait(INTERVAL_MS, signal);
      } catch (error) {
        if (signal.aborted) return;
        throw error;
      }
      for (const watched of [...this.#watched]) watched.sweep();
    }
  }
}
