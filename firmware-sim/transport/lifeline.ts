import type { Clock } from '@zerotouch/foundation/clock';
import type { Failure } from '../boot/ports.js';
import { dropped, timedOut } from './evidence.js';

/** Why a wait was cut short: one object for all, since an error of its own costs a stack each time. */
const OVER = new Error('the wait is over');

/** Whether a connection still stands, and everyone who wants to know when it does not. */
export class Lifeline {
  #end: Failure | undefined;
  #lost = false;
  readonly #waiting = new Set<(failure: Failure) => void>();
  readonly #listeners: ((failure: Failure) => void)[] = [];

  /** Why nothing goes over this connection any more; `undefined` while it stands. */
  get end(): Failure | undefined {
    return this.#end;
  }

  /** The connection went without our doing. Only the first end counts. */
  lose(failure: Failure): void {
    if (this.#end !== undefined) return;
    this.#lost = true;
    this.#finish(failure);
    for (const listener of this.#listeners) listener(failure);
  }

  /** We end it ourselves: calls in flight are answered, but nobody is told of a loss. */
  close(): void {
    if (this.#end === undefined) this.#finish(dropped('the connection was closed by this device'));
  }

  /** Calls back once on a loss, at once when it has happened. */
  onLost(listener: (failure: Failure) => void): void {
    if (this.#end === undefined) this.#listeners.push(listener);
    else if (this.#lost) listener(this.#end);
  }

  /**
   * The answer of a call, or the failure that came first: the end of the connection, or `signal` (`timed-out`).
   * @param start begins the call; what it returns is run when the wait is over, whatever ended it
   */
  during<T extends { readonly outcome: string }>(
    signal: AbortSignal,
    start: (answer: (value: T | Failure) => void) => (() => void) | undefined,
  ): Promise<T | Failure> {
    if (this.#end !== undefined) return Promise.resolve(this.#end);
    if (signal.aborted) return Promise.resolve(timedOut());
    return new Promise((resolve) => {
      let finished = false;
      let cleanUp: (() => void) | undefined;
      const settle = (value: T | Failure): void => {
        if (finished) return;
        finished = true;
        this.#waiting.delete(settle);
        signal.removeEventListener('abort', onAbort);
        cleanUp?.();
        resolve(value);
      };
      const onAbort = (): void => settle(timedOut());
      this.#waiting.add(settle);
      signal.addEventListener('abort', onAbort, { once: true });
      cleanUp = start(settle);
      if (finished) cleanUp?.();
    });
  }

  /** Lets time go by; `undefined` when all of it has, else the failure that came first. */
  async pause(clock: Clock, ms: number, signal: AbortSignal): Promise<Failure | undefined> {
    const outcome = await this.during<{ outcome: 'waited' }>(signal, (answer) => {
      const over = new AbortController();
      clock.wait(ms, over.signal).then(
        () => answer({ outcome: 'waited' }),
        () => undefined,
      );
      return () => over.abort(OVER);
    });
    return outcome.outcome === 'waited' ? undefined : outcome;
  }

  #finish(failure: Failure): void {
    this.#end = failure;
    for (const settle of [...this.#waiting]) settle(failure);
  }
}
