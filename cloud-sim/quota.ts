/** How many of something there may be, without counting them each time. */
export class Quota {
  readonly limit: number;
  readonly #count: () => Promise<number>;
  /** What certainly still fits; `undefined` before the first count. */
  #room: number | undefined;

  /** @param count how many there are now; asked for only when the room known of is used up */
  constructor(limit: number, count: () => Promise<number>) {
    this.limit = limit;
    this.#count = count;
  }

  async isUsedUp(): Promise<boolean> {
    if (this.limit === Number.POSITIVE_INFINITY) return false;
    if (this.#room === undefined || this.#room <= 0) this.#room = this.limit - (await this.#count());
    return this.#room <= 0;
  }

  /** There is one more. */
  use(): void {
    if (this.#room !== undefined) this.#room -= 1;
  }
}
