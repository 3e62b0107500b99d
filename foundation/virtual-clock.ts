import type { Clock } from './clock.js';

interface Sleeper {
  readonly at: number;
  readonly wake: () => void;
}

/** A clock that stands still until it is told to move: the simulated twin of the system's. */
export class VirtualClock implements Clock {
  #now: number;
  #elapsed = 0;
  #sleepers: Sleeper[] = [];

  /** @param now wall-clock time to start at, milliseconds since 1970 */
  constructor(now = Date.UTC(2026, 0, 1)) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  async wait(ms: number, signal?: AbortSignal): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const leave = (): void => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
        signal?.removeEventListener('abort', abort);
      };
      const abort = (): void => {
        leave();
        reject(signal?.reason);
      };
      const sleeper: Sleeper = {
        at: this.#elapsed + ms,
        wake: () => {
          leave();
          resolve();
        },
      };
      if (signal?.aborted === true) {
        reject(signal.reason);
        return;
      }
      if (ms <= 0) {
        resolve();
        return;
      }
      signal?.addEventListener('abort', abort);
      this.#sleepers.push(sleeper);
    });
  }

  /** Moves both times on, waking whoever's time has come, in order. */
  advance(ms: number): void {
    const end = this.#elapsed + ms;
    for (let next = this.#earliest(end); next !== undefined; next = this.#earliest(end)) {
      this.#moveTo(Math.max(next.at, this.#elapsed));
      next.wake();
    }
    this.#moveTo(end);
  }

  /** Makes the wall clock show another time; durations are not touched. */
  set(now: number): void {
    this.#now = now;
  }

  /** How long until the next sleeper wakes, or `undefined` when nobody sleeps. */
  nextIn(): number | undefined {
    const next = this.#earliest(Number.POSITIVE_INFINITY);
    return next === undefined ? undefined : Math.max(0, next.at - this.#elapsed);
  }

  #earliest(until: number): Sleeper | undefined {
    let first: Sleeper | undefined;
    for (const sleeper of this.#sleepers) if (sleeper.at <= until && (first === undefined || sleeper.at < first.at)) first = sleeper;
    return first;
  }

  #moveTo(elapsed: number): void {
    this.#now += elapsed - this.#elapsed;
    this.#elapsed = elapsed;
  }
}
