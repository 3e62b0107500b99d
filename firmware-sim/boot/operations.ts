import type { Clock } from '@zerotouch/foundation/clock';

/** Which table an operation belongs to: each has at most one under way. */
export type Lane = 'power' | 'assignment' | 'session' | 'config' | 'slots';

/** How long an operation may take to end once it is told to, milliseconds. */
export const GRACE_MS = 10_000;

/**
 * An operation: works until it is done or `signal` is aborted, and returns what to do with the result. `current` tells whether it has
 * been cancelled or replaced meanwhile.
 */
export type Operation = (signal: AbortSignal, current: () => boolean) => Promise<() => void>;

/** Why a signal was aborted: one object for all, since a fleet ends operations by the thousand, and an error of its own costs a stack each time. */
const ENDED = new Error('the operation has ended');

/**
 * The asynchronous work of one device: one operation a lane, bounded in time, and a result counts only while its operation is the
 * current one of its lane. So an answer that comes after its question was withdrawn changes nothing.
 */
export class Operations {
  readonly #clock: Clock;
  readonly #hung: () => void;
  readonly #current = new Map<Lane, AbortController>();
  readonly #pending = new Set<Promise<void>>();

  /** @param hung called when an operation that still counts does not end though its signal was aborted {@link GRACE_MS} ago */
  constructor(clock: Clock, hung: () => void) {
    this.#clock = clock;
    this.#hung = hung;
  }

  /**
   * Starts an operation, ending the lane's former one. After `limitMs` its signal is aborted; it then still delivers its result. One that does not
   * even then is given up, and nobody waits for it any more.
   */
  run(lane: Lane, limitMs: number, operation: Operation): void {
    this.cancel(lane);
    const controller = new AbortController();
    this.#current.set(lane, controller);
    const isCurrent = () => this.#current.get(lane) === controller;
    const ended = new AbortController();
    if (Number.isFinite(limitMs)) {
      this.#clock.wait(limitMs, ended.signal).then(
        () => controller.abort(ENDED),
        () => undefined,
      );
    }
    const givenUp = this.#givenUp(controller.signal, ended.signal).then(() => {
      if (!isCurrent()) return;
      this.#current.delete(lane);
      this.#hung();
    });
    const work = operation(controller.signal, isCurrent)
      .then((deliver) => {
        if (!isCurrent()) return;
        this.#current.delete(lane);
        deliver();
      })
      // Only a wait that was cancelled rejects: ports never do.
      .catch((error: unknown) => {
        if (isCurrent()) throw error;
      })
      .finally(() => ended.abort(ENDED));
    this.keep(Promise.race([work, givenUp]));
  }

  /** Resolves when an operation was told to end and has not for too long; never when it has. */
  #givenUp(signal: AbortSignal, ended: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const overdue = () => this.#clock.wait(GRACE_MS, ended).then(resolve, () => undefined);
      signal.addEventListener('abort', overdue, { once: true, signal: ended });
    });
  }

  /** Ends the lane's operation; its result will not count. */
  cancel(lane: Lane): void {
    const controller = this.#current.get(lane);
    this.#current.delete(lane);
    controller?.abort(ENDED);
  }

  /** Counts a promise among the work that {@link idle} waits for. */
  keep(work: Promise<void>): void {
    const tracked = work.finally(() => this.#pending.delete(tracked));
    this.#pending.add(tracked);
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#pending.size > 0) await Promise.allSettled(this.#pending);
  }
}
