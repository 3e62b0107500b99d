/** Images that are not burnt yet, and the devices that are due and wait for them. Devices go by their number. */
export class AwaitedImages {
  readonly #images: readonly string[];
  readonly #numbers: ReadonlyMap<string, number>;
  readonly #missing: Set<number>;
  readonly #held = new Set<number>();
  readonly #wants: (images: readonly string[]) => void;
  #asking: string[] = [];

  /** @param wants asked for images, some at a time */
  constructor(images: readonly string[], wants: (images: readonly string[]) => void) {
    this.#images = images;
    this.#numbers = new Map(images.map((image, number) => [image, number]));
    this.#missing = new Set(images.keys());
    this.#wants = wants;
  }

  /** A device is due. @returns whether it has to wait */
  holds(number: number): boolean {
    if (!this.#missing.has(number)) return false;
    this.#held.add(number);
    if (this.#asking.length === 0) {
      setImmediate(() => {
        this.#wants(this.#asking);
        this.#asking = [];
      });
    }
    this.#asking.push(this.#images[number] ?? '');
    return true;
  }

  /** A device that waits is switched off before it was on. @returns whether it waited */
  letGo(number: number): boolean {
    return this.#held.delete(number);
  }

  /** An image is there, or never will be. @returns its device when that waits for it */
  came(image: string): number | undefined {
    const number = this.#numbers.get(image);
    if (number === undefined) return undefined;
    this.#missing.delete(number);
    return this.#held.delete(number) ? number : undefined;
  }
}
