import { LONGEST_TIMER_MS } from '@zerotouch/foundation/clock';

/**
 * A signal that is aborted with another one, or after a while. `AbortSignal.any` with `AbortSignal.timeout` would say the same, but Node 20
 * lets the garbage collector take a timeout that nothing else refers to.
 */
export class Deadline implements Disposable {
  readonly #controller = new AbortController();
  readonly #parent: AbortSignal;
  readonly #timer: NodeJS.Timeout | undefined;

  /** @param ms milliseconds; absent: only `parent` ends it */
  constructor(parent: AbortSignal, ms?: number) {
    this.#parent = parent;
    if (parent.aborted) this.#end();
    else parent.addEventListener('abort', this.#end, { once: true });
    this.#timer =
      ms === undefined
        ? undefined
        : setTimeout(() => this.#controller.abort(new Error(`no result after ${ms} ms`)), Math.min(ms, LONGEST_TIMER_MS));
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#parent.removeEventListener('abort', this.#end);
  }

  readonly #end = (): void => this.#controller.abort(this.#parent.reason);
}
