/**
 * A signal that is aborted with another one, or after a while. `AbortSignal.any` with `AbortSignal.timeout` would say the same, but Node 20
 * lets the garbage collector take a timeout that nothing else refers to.
 */
export class Deadline implements Disposable {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout | undefined;

  /** @param ms milliseconds; absent: only `parent` ends it */
  constructor(parent: AbortSignal, ms?: number) {
    const end = () => this.#controller.abort(parent.reason);
    if (parent.aborted) end();
    else parent.addEventListener('abort', end, { once: true, signal: this.#controller.signal });
    this.#timer = ms === undefined ? undefined : setTimeout(() => this.#controller.abort(new Error(`no result after ${ms} ms`)), ms);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
