import type { Clock } from '@zerotouch/foundation/clock';

/** How often the connections are looked at, milliseconds. */
const INTERVAL_MS = 10_000;

/** A connection that must not fall silent. */
export interface Pulsed {
  /** Acts on what is due by now, monotonic milliseconds. */
  beat(now: number): void;
}

/** Keeps many connections alive with one timer, which runs while there is one. */
export class Pulse {
  readonly #clock: Clock;
  readonly #pulsed = new Set<Pulsed>();
  #stop: AbortController | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(pulsed: Pulsed): void {
    this.#pulsed.add(pulsed);
    if (this.#stop === undefined) void this.#run();
  }

  delete(pulsed: Pulsed): void {
    this.#pulsed.delete(pulsed);
    if (this.#pulsed.size > 0) return;
    this.#stop?.abort();
    this.#stop = undefined;
  }

  async #run(): Promise<void> {
    const stop = new AbortController();
    this.#stop = stop;
    try {
      for (;;) {
        await this.#clock.wait(INTERVAL_MS, stop.signal);
        const now = this.#clock.monotonic();
        for (const pulsed of [...this.#pulsed]) pulsed.beat(now);
      }
    } catch (error) {
      if (!stop.signal.aborted) throw error;
    }
  }
}
