import type { Entropy } from '@zerotouch/foundation/entropy';
import { hex, ImageFault } from './faults.js';
import { SECTOR_SIZE } from './layout.js';
import { memoryStorage, type Storage } from './storage.js';

/** Bytes that a NOR chip programs in one go. */
export const WORD_SIZE = 4;

/** The power went: thrown by the access during which it did, and by every one after it until power is back. */
export class PowerCut extends Error {
  override readonly name = 'PowerCut';
}

/** How a simulated chip differs from a new one. */
export interface NorOptions {
  /** Decides what a torn word or a half erase leaves. */
  readonly entropy: Pick<Entropy, 'unit' | 'bytes'>;
  /** Sectors that no longer take an erase or a write, by number. They can still be read. */
  readonly badSectors?: Iterable<number>;
  /** A sector goes bad at the erase after so many; never by default. Chips promise 100,000. */
  readonly endurance?: number;
}

/**
 * A NOR flash chip over bytes in memory or any other storage (the given bytes themselves change): programs words of {@link WORD_SIZE} bytes and can
 * only clear bits by it, erases whole sectors of 4 KiB to FF, wears, and loses power on request, after any word or erase, or in the middle of one.
 */
export class NorFlash implements Storage {
  readonly size: number;
  readonly #cells: Storage;
  readonly #options: NorOptions;
  readonly #wear: number[];
  readonly #bad: Set<number>;
  #steps = 0;
  #cut: { readonly at: number; readonly inside: boolean } | undefined;
  #powered = true;

  /** @param cells what holds its bits; syncing and closing them stays with whoever made them */
  constructor(cells: Uint8Array | Storage, options: NorOptions) {
    this.#cells = cells instanceof Uint8Array ? memoryStorage(cells) : cells;
    this.#options = options;
    this.size = this.#cells.size;
    this.#wear = new Array<number>(Math.ceil(this.size / SECTOR_SIZE)).fill(0);
    this.#bad = new Set(options.badSectors ?? []);
  }

  /** Words programmed and sectors erased so far. */
  get steps(): number {
    return this.#steps;
  }

  get powered(): boolean {
    return this.#powered;
  }

  /** How often each sector was erased. */
  get wear(): readonly number[] {
    return this.#wear;
  }

  /**
   * Power will go: after `after` more steps, or with `inside` in the middle of the step after those. What is then half done: some bits of the
   * word are programmed and others not; the sector is erased in part.
   */
  cutPower(after: number, inside = false): void {
    this.#cut = { at: this.#steps + after, inside };
  }

  /** Power goes now, between two steps. */
  losePower(): void {
    this.#powered = false;
  }

  /** A sector takes no more writes from now on. */
  wearOut(sector: number): void {
    this.#bad.add(sector);
  }

  /** Power is back; what was cut stays as it is. */
  restorePower(): void {
    this.#powered = true;
    this.#cut = undefined;
  }

  read(offset: number, length: number): Buffer {
    this.#check(offset, length);
    return this.#cells.read(offset, length);
  }

  /** @throws ImageFault NOR_PROGRAM for a bit that would have to go from 0 to 1; NOR_BAD_SECTOR; PowerCut */
  write(offset: number, bytes: Uint8Array): void {
    this.#check(offset, bytes.length);
    for (let done = 0; done < bytes.length; ) {
      const length = Math.min(bytes.length - done, WORD_SIZE - ((offset + done) % WORD_SIZE));
      this.#program(offset + done, bytes.subarray(done, done + length));
      done += length;
    }
  }

  /** @throws ImageFault NOR_ERASE for anything but whole sectors; NOR_BAD_SECTOR; PowerCut */
  erase(offset: number, length: number): void {
    this.#check(offset, length);
    if (offset % SECTOR_SIZE !== 0 || length % SECTOR_SIZE !== 0) {
      throw new ImageFault('NOR_ERASE', 'only whole sectors can be erased', {
        where: `flash, offset ${hex(offset)}`,
        seen: `${length} bytes`,
        expected: `a multiple of ${SECTOR_SIZE} bytes from such an offset`,
      });
    }
    for (let at = offset; at < offset + length; at += SECTOR_SIZE) this.#eraseSector(at);
  }

  sync(): void {
    this.#check(0, 0);
  }

  close(): void {}

  #program(offset: number, word: Uint8Array): void {
    const before = this.#cells.read(offset, word.length);
    if (word.some((byte, index) => (byte & ~(before[index] ?? 0)) !== 0)) {
      throw new ImageFault('NOR_PROGRAM', 'a bit that is 0 cannot be programmed to 1', {
        where: `flash, offset ${hex(offset)}`,
        seen: before.toString('hex'),
        expected: 'an erase of the sector before it is written again',
      });
    }
    this.#takesWrites(offset);
    this.#step(() => {
      const kept = this.#options.entropy.bytes(word.length);
      for (const [index, byte] of word.entries()) before[index] = (before[index] ?? 0) & (byte | (kept[index] ?? 0));
      this.#cells.write(offset, before);
    });
    this.#cells.write(offset, word);
  }

  #eraseSector(offset: number): void {
    const number = offset / SECTOR_SIZE;
    this.#takesWrites(offset);
    const worn = (this.#wear[number] ?? 0) + 1;
    this.#wear[number] = worn;
    if (worn > (this.#options.endurance ?? Number.POSITIVE_INFINITY)) {
      this.#bad.add(number);
      this.#takesWrites(offset);
    }
    this.#step(() => {
      const sector = this.#cells.read(offset, SECTOR_SIZE);
      this.#halfErase(sector);
      this.#cells.write(offset, sector);
    });
    this.#cells.erase(offset, SECTOR_SIZE);
  }

  /** Some chips erase from one end, others everywhere at once. */
  #halfErase(sector: Buffer): void {
    const { entropy } = this.#options;
    const way = entropy.unit();
    const middle = Math.floor(entropy.unit() * sector.length);
    if (way < 1 / 3) sector.fill(0xff, 0, middle);
    else if (way < 2 / 3) sector.fill(0xff, middle);
    else for (const [index, bits] of entropy.bytes(sector.length).entries()) sector[index] = (sector[index] ?? 0) | bits;
  }

  #step(half: () => void): void {
    if (this.#cut !== undefined && this.#steps >= this.#cut.at) {
      if (this.#cut.inside) half();
      this.#powered = false;
      throw new PowerCut('the power went');
    }
    this.#steps++;
  }

  #takesWrites(offset: number): void {
    const number = Math.floor(offset / SECTOR_SIZE);
    if (!this.#bad.has(number)) return;
    throw new ImageFault('NOR_BAD_SECTOR', 'the sector no longer takes what is written', {
      where: `flash, offset ${hex(offset)}`,
      seen: `sector ${number}, erased ${this.#wear[number] ?? 0} times`,
    });
  }

  #check(offset: number, length: number): void {
    if (!this.#powered) throw new PowerCut('there is no power');
    if (Number.isInteger(offset) && Number.isInteger(length) && offset >= 0 && length >= 0 && offset + length <= this.size) return;
    throw new ImageFault('STORAGE_RANGE', `${length} bytes at offset ${hex(offset)} lie outside`, {
      where: 'flash',
      expected: `an access within ${hex(this.size)} bytes`,
    });
  }
}
