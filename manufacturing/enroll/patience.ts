import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import { ManufacturingFault } from '../faults.js';
import { ServiceRefusal } from './service.js';

/** Attempts until a call that is throttled, or meets a server error, is given up. */
const ATTEMPTS = 12;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 60_000;

/** What {@link Patience} needs. */
export interface PatienceOptions {
  clock: Clock;
  entropy: Entropy;
  signal?: AbortSignal | undefined;
  /** Told before each wait; seconds. */
  onWait?: (seconds: number, why: string) => void;
}

/**
 * Calls again what was throttled (429) or met a server error. `retry-after` always wins, and holds back every other call too; without it,
 * exponential with full jitter.
 */
export class Patience {
  #notBefore = 0;
  readonly #options: PatienceOptions;

  constructor(options: PatienceOptions) {
    this.#options = options;
  }

  /** @throws ManufacturingFault DPS_REFUSED, DPS_THROTTLED; what `call` throws otherwise */
  async call<T>(what: string, call: () => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      await this.#wait();
      try {
        return await call();
      } catch (error) {
        if (!(error instanceof ServiceRefusal)) throw error;
        if (error.status !== 429 && error.status < 500) throw refused(what, error);
        if (attempt + 1 >= ATTEMPTS) throw throttled(what, error);
        this.#holdBack(error, attempt);
      }
    }
  }

  async #wait(): Promise<void> {
    const { clock, signal } = this.#options;
    signal?.throwIfAborted();
    // Another call may have moved it on meanwhile.
    for (let left = this.#notBefore - clock.monotonic(); left > 0; left = this.#notBefore - clock.monotonic())
      await clock.wait(left, signal);
  }

  #holdBack({ status, retryAfter }: ServiceRefusal, attempt: number): void {
    const { clock, entropy, onWait } = this.#options;
    const wait = retryAfter === undefined ? entropy.unit() * Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** attempt) : retryAfter * 1000;
    this.#notBefore = Math.max(this.#notBefore, clock.monotonic() + wait);
    onWait?.(wait / 1000, status === 429 ? 'throttled (429)' : `server error (${status})`);
  }
}

function refused(what: string, { status, message }: ServiceRefusal): ManufacturingFault {
  const remedy = status === 401 || status === 403 ? 'check the key, and that its policy has EnrollmentRead and EnrollmentWrite' : undefined;
  return new ManufacturingFault('DPS_REFUSED', `DPS refused (HTTP ${status})`, {
    where: what,
    ...(message === '' ? {} : { seen: message }),
    ...(remedy === undefined ? {} : { remedy }),
  });
}

function throttled(what: string, { status }: ServiceRefusal): ManufacturingFault {
  return new ManufacturingFault('DPS_UNREACHABLE', `DPS did not take the call in ${ATTEMPTS} attempts (HTTP ${status})`, {
    where: what,
    remedy: 'try again later; what was enrolled stays enrolled, and the same command goes on from there',
  });
}
