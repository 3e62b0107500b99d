/** Lets pieces of work for one key through one after the other, those for different keys at the same time. */
export class Turnstile {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Runs `work` when all earlier work for `key` is done, whatever became of that. */
  async pass<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key) ?? Promise.resolve();
    const mine = before.then(work, work);
    this.#last.set(key, mine);
    try {
      return await mine;
    } finally {
      if (this.#last.get(key) === mine) this.#last.delete(key);
    }
  }
}
