import type { Clock } from '@zerotouch/foundation/clock';
import { VirtualClock } from '@zerotouch/foundation/virtual-clock';
import type { DayTime } from './day-time.js';

/** How often real time is looked at while something real is under way, milliseconds. */
const TICK_MS = 5;
/** Turns of the event loop after which nothing more comes of what has happened. */
const TURNS = 4;

/**
 * The clock of a day that is lived in seconds: as long as something is under way that takes real time, it goes as fast as the real one;
 * when the device only waits, it leaps to the end of the wait.
 */
export class DayClock extends VirtualClock implements DayTime {
  readonly #real: Clock;
  #underWay = 0;

  constructor(real: Clock) {
    super(real.now());
    this.#real = real;
  }

  /** Real work: while it lasts, no leap is made. */
  async real<T>(work: Promise<T>): Promise<T> {
    this.#underWay += 1;
    try {
      return await work;
    } finally {
      this.#underWay -= 1;
    }
  }

  /**
   * Runs until `signal` is aborted.
   * @param quiet called before each leap, when nothing happens any more but by time; true when no leap is wanted
   */
  async run(signal: AbortSignal, quiet: () => boolean): Promise<void> {
    while (!signal.aborted) {
      for (let turn = 0; turn < TURNS; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
      if (this.#underWay > 0) {
        const before = this.#real.monotonic();
        await this.#real.wait(TICK_MS);
        this.advance(this.#real.monotonic() - before);
        continue;
      }
      const leap = quiet() ? undefined : this.nextIn();
      if (leap === undefined) await this.#real.wait(TICK_MS);
      else this.advance(leap);
    }
  }
}
