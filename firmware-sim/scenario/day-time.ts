import type { Clock } from '@zerotouch/foundation/clock';
import { SettableClock } from '../runtime/time-server.js';

/** The time in which a bad day is lived: the device's own. */
export interface DayTime extends Clock {
  /** Makes the device's wall clock show another time, milliseconds since 1970; durations are not touched. */
  set(now: number): void;
  /** Work that takes real time: a time that leaps over waits does not meanwhile. */
  real<T>(work: Promise<T>): Promise<T>;
}

/** The time of a day that lasts as long as it lasts: real, but for what one device's wall clock shows. */
export class RealDayTime extends SettableClock implements DayTime {
  set(now: number): void {
    this.adjust(now - this.now());
  }

  real<T>(work: Promise<T>): Promise<T> {
    return work;
  }
}
