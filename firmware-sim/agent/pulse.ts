import type { Clock } from '@zerotouch/foundation/clock';
import { defaultTimeouts } from '../boot/driver-ports.js';
import { GRACE_MS } from '../boot/operations.js';
import type { Device } from '../runtime/device.js';

/** The longest time that the boot machine may rightly say nothing while an operation runs, milliseconds: the operation's limit, its grace, and as much for a slow machine. */
const SILENCE_MS = 2 * (Math.max(...Object.values(defaultTimeouts)) + GRACE_MS);
/** How much later than announced a wait may end, milliseconds. */
const LATE_MS = 60_000;

/** States in which a device rightly does nothing until something happens. */
const RESTING = new Set<string>(['running', 'halted', 'off', 'safe']);

/**
 * Whether a device makes progress. Every operation of the boot machine is bounded and every wait is announced, so silence beyond both means
 * that its code hangs, and only a restart helps. A process whose event loop hangs does not even ask.
 */
export class Pulse {
  readonly #clock: Clock;
  /** The time by which the device must have been heard again. */
  #due = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Listens to a device, which takes the place of the former one. */
  attend(device: Device): void {
    this.#within(SILENCE_MS);
    device.on('state', ({ state }) => this.#within(RESTING.has(state) ? Number.POSITIVE_INFINITY : SILENCE_MS));
    device.on('wait', ({ ms }) => this.#within(Math.max(ms + LATE_MS, SILENCE_MS)));
  }

  /** For how long the device has been silent though it should not be, milliseconds; 0 when all is well. */
  get overdueMs(): number {
    return Math.max(0, this.#clock.monotonic() - this.#due);
  }

  #within(ms: number): void {
    this.#due = this.#clock.monotonic() + ms;
  }
}
