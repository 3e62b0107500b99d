import type { Clock } from '@zerotouch/foundation/clock';

/** The oldest time a set clock can show: anything earlier is a device that was never told the time. */
export const EARLIEST_TIME = Date.UTC(2024, 0, 1);

/** Whether a clock was ever told the time. A device without a battery wakes up in 1970. */
export function isTimeKnown(clock: Pick<Clock, 'now'>): boolean {
  return clock.now() >= EARLIEST_TIME;
}
