import type { Clock } from '@zerotouch/foundation/clock';

/** Which table an operation belongs to: each has at most one under way. */
export type Lane = 'power' | 'assignment' | 'session' | 'config' | 'slots' | 'renewal';

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
  readonly #current = new Map<Lane, Running>();
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
    const running = new Running(this.#clock, () => {
      if (this.#current.get(lane) !== running) return;
      this.#current.delete(lane);
      this.#hung();
    });
    this.#current.set(lane, running);
    const isCurrent = () => this.#current.get(lane) === running;
    if (Number.isFinite(limitMs)) running.endAfter(limitMs);
    const work = operation(running.signal, isCurrent)
      .then((deliver) => {
        if (!isCurrent()) return;
        this.#current.delete(lane);
        deliver();
      })
      // Only a wait that was cancelled rejects: ports never do.
      .catch((error: unknown) => {
        if (isCurrent()) throw error;
      });
    this.keep(running.until(work));
  }

  /** Ends the lane's operation; its result will not count. */
  cancel(lane: Lane): void {
    const running = this.#current.get(lane);
    this.#current.delete(lane);
    running?.end();
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

/** One operation under way: told to end once, given up when it does not. What it needs for that is made when it comes to it. */
class Running {
  readonly #clock: Clock;
  readonly #givenUp: () => void;
  readonly #told = new AbortController();
  readonly #over = new AbortController();
  #done: () => void = () => undefined;

  constructor(clock: Clock, givenUp: () => void) {
    this.#clock = clock;
    this.#givenUp = givenUp;
  }

  get signal(): AbortSignal {
    return this.#told.signal;
  }

  endAfter(ms: number): void {
    this.#clock.wait(ms, this.#over.signal).then(
      () => this.end(),
      () => undefined,
    );
  }

  end(): void {
    if (this.#told.signal.aborted) return;
    this.#told.abort(ENDED);
    if (this.#over.signal.aborted) return;
    const giveUp = (): void => {
      this.#givenUp();
      this.#done();
    };
    this.#clock.wait(GRACE_MS, this.#over.signal).then(giveUp, () => undefined);
  }

  /** Resolves when the work is done or given up; rejects as it does. */
  until(work: Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#done = resolve;
      work.finally(() => this.#over.abort(ENDED)).then(resolve, reject);
    });
  }
}
