import { ImageFault, isWornOut, locate, type Place } from '../faults.js';
import type { Storage } from '../storage.js';
import type { Repair } from './damage.js';
import { ENTRY_SIZE, type ItemHeader } from './entry.js';
import { BITMAP_OFFSET, ENTRIES, encodePageHeader, entryState, PAGE_SIZE, pageState, setEntryStates, slotOffset } from './page.js';
import type { PageScan } from './scan-page.js';

/** An item in flash. It keeps its identity when its page is moved. */
export interface StoredItem extends ItemHeader {
  page: number;
  slot: number;
}

/** A page as the store keeps track of it. */
interface Page {
  readonly index: number;
  /** `bad`: the sector no longer takes what is written; what it holds can still be read, but is copied nowhere twice. */
  use: 'free' | 'active' | 'full' | 'bad';
  sequence: number;
  nextFree: number;
  /** Entries of items that are not erased. */
  used: number;
  /** In the order in which they lie. */
  readonly items: Set<StoredItem>;
  /** Whether a free page must be erased before it is used. */
  dirty: boolean;
}

const BITMAP_WORD = 4;
const ENTRIES_IN_WORD = 16;
/** A page that has stayed while all others took so many turns each is moved though it is not the emptiest, so that wear spreads. */
const TURNS_TO_STAY = 2;

/**
 * The pages of a device's NVS: items are appended to the newest page, a full one makes way for the next, and the one with the most erased
 * entries is moved when only one page is free.
 *
 * Every method is a sequence of writes that may end after any of them: what is left is what {@link scanNvs} tells how to repair.
 */
export class Pages {
  readonly #storage: Storage;
  readonly #place: Place;
  readonly #pages: Page[];
  /** Oldest first, so that wear spreads. */
  #free: Page[];
  #current: Page | undefined;
  #probed = false;

  constructor(storage: Storage, place: Place, scanned: readonly PageScan[]) {
    this.#storage = storage;
    this.#place = place;
    this.#pages = scanned.map(toPage);
    this.#free = this.#pages.filter((page) => page.use === 'free');
    this.#current = this.#newest();
  }

  /**
   * How the sectors have worn. One page stays free, so that every page begun after all others had their turn was paid for with an erasure (counted since
   * the flash was last wiped).
   */
  get wear(): { readonly erasures: number; readonly badSectors: number } {
    const begun = 1 + Math.max(-1, ...this.#pages.filter(({ use }) => use !== 'free').map(({ sequence }) => sequence));
    return { erasures: Math.max(0, begun - (this.#pages.length - 1)), badSectors: this.#pages.filter(({ use }) => use === 'bad').length };
  }

  /** Bytes of data that all pages but the one that stays free could hold. */
  get capacity(): number {
    return (this.#pages.length - 1) * (ENTRIES - 1) * ENTRY_SIZE;
  }

  /** Entries that can be appended before the next page is needed. */
  get room(): number {
    return this.#current?.use === 'active' ? ENTRIES - this.#current.nextFree : 0;
  }

  /** Every item that is not erased. */
  all(): StoredItem[] {
    return this.#pages.flatMap(({ items }) => [...items]);
  }

  /** The items that lie in a page. */
  itemsOf(index: number): StoredItem[] {
    return [...(this.#pages[index]?.items ?? [])];
  }

  /**
   * Makes the next page the current one, with room for at least `span` entries. Throws `NVS_FULL` before anything is written.
   * Pages that have gone bad are passed over.
   */
  nextPage(span: number): void {
    this.#probe();
    for (;;) {
      if (this.#free.length >= 2) {
        this.#finishCurrent();
        if (this.#activate()) return;
        continue;
      }
      const overdue = this.#overdue(span);
      const blank = overdue === undefined ? this.#least(({ use, used }) => use === 'full' && used === 0) : undefined;
      if (blank !== undefined) {
        this.#release(blank);
        continue;
      }
      const from = overdue ?? this.#least(({ use, used }) => (use === 'active' || use === 'full') && ENTRIES - used >= span);
      if (this.#free.length === 0 || from === undefined) throw this.full();
      this.#finishCurrent();
      this.#move(from);
      return;
    }
  }

  /** Appends an item that fits the current page; where that has gone bad, to the next one. */
  append(header: ItemHeader, bytes: Buffer): StoredItem {
    for (;;) {
      try {
        const item: StoredItem = { ...header, ...this.#program(header.span, bytes) };
        this.#pages[item.page]?.items.add(item);
        return item;
      } catch (error) {
        if (!isWornOut(error)) throw error;
        this.nextPage(header.span);
      }
    }
  }

  /** Marks an item erased. */
  erase(item: StoredItem): void {
    this.#mark(item.page, item.slot, item.span, entryState.erased);
    this.forget(item);
  }

  /** Counts an item that a newer one makes void as gone, whatever its flash says. */
  forget(item: StoredItem): void {
    const page = this.#pages[item.page];
    if (page?.items.delete(item)) page.used -= item.span;
  }

  /** Begins a page even if it is the last one that was free. */
  startFresh(): void {
    this.#finishCurrent();
    while (this.#free.length > 0) if (this.#activate()) return;
    throw this.full();
  }

  /** Erases every page but these that holds anything, or did. Throws the fault of a page that would not, when all others are erased. */
  discardOthers(keep: ReadonlySet<number>): void {
    let refusal: unknown;
    for (const page of this.#pages) {
      if (keep.has(page.index) || (page.use === 'free' && !page.dirty)) continue;
      this.#free = this.#free.filter((other) => other !== page);
      try {
        this.#discard(page);
      } catch (error) {
        if (!isWornOut(error)) throw error;
        refusal = error;
      }
    }
    if (refusal !== undefined) throw refusal;
  }

  /** Whether a page holds nothing but its first `count` entries, and never did since it was erased. */
  holdsOnly(index: number, count: number): boolean {
    return this.#pages[index]?.nextFree === count;
  }

  /** The bytes of an item, its header among them. */
  read(item: StoredItem): Buffer {
    return this.#storage.read(item.page * PAGE_SIZE + slotOffset(item.slot), item.span * ENTRY_SIZE);
  }

  /**
   * A device needs one free page to move to: where a cut left none, the newest page that holds nothing becomes it. Where there is none
   * either, what is there can be read, and nothing written.
   */
  ensureFree(): void {
    if (this.#free.length > 0) return;
    const blank = this.#pages.find((page) => page.used === 0);
    if (blank !== undefined) this.#release(blank);
  }

  /** Carries out a repair; the pages must be scanned anew afterwards. False where the flash does not take it. */
  repair(repair: Repair): boolean {
    try {
      return this.#repaired(repair);
    } catch (error) {
      if (!isWornOut(error)) throw error;
      return false;
    }
  }

  #repaired(repair: Repair): boolean {
    switch (repair.kind) {
      case 'erase-entries':
        this.#mark(repair.page, repair.slot, repair.count, entryState.erased);
        return true;
      case 'mark-full':
        this.#setState(repair.page, pageState.full);
        return true;
      case 'erase-page':
        this.#storage.erase(repair.page * PAGE_SIZE, PAGE_SIZE);
        return true;
      case 'redo-move':
        return this.#redoMove(repair.page, repair.discard);
      case 'none':
        return true;
    }
  }

  #redoMove(index: number, discard: number | undefined): boolean {
    const copy = discard === undefined ? undefined : this.#pages[discard];
    if (copy !== undefined) this.#release(copy);
    const page = this.#pages[index];
    if (page === undefined || this.#free.length === 0) return false;
    this.#move(page);
    return true;
  }

  /**
   * Copies what is alive in a page to a fresh one, then erases it. Marked as freeing first, so that no cut leaves the device without a free
   * page, and as invalid before the erase: an erase that was cut may bring anything back, and must not pass for the page that is to be copied.
   */
  #move(from: Page): void {
    this.#tolerate(from, () => this.#setState(from.index, pageState.freeing));
    if (!this.#activate()) throw this.full();
    for (const item of [...from.items]) {
      Object.assign(item, this.#program(item.span, this.read(item)));
      from.items.delete(item);
      this.#pages[item.page]?.items.add(item);
    }
    this.#release(from);
  }

  /** Writes an item at the end of the current page: header, its bits, body, its bits. */
  #program(span: number, bytes: Buffer): { page: number; slot: number } {
    const page = this.#current;
    if (page === undefined || this.room < span) throw this.full();
    const { index, nextFree: slot } = page;
    const offset = index * PAGE_SIZE + slotOffset(slot);
    try {
      page.nextFree += span;
      this.#storage.write(offset, bytes.subarray(0, ENTRY_SIZE));
      this.#mark(index, slot, 1, entryState.written);
      if (span > 1) {
        this.#storage.write(offset + ENTRY_SIZE, bytes.subarray(ENTRY_SIZE));
        this.#mark(index, slot + 1, span - 1, entryState.written);
      }
      page.used += span;
      return { page: index, slot };
    } catch (error) {
      if (isWornOut(error)) Object.assign(page, { use: 'bad', nextFree: ENTRIES });
      throw error;
    }
  }

  /** Erases a page, which is free from then on, unless it has gone bad. */
  #release(page: Page): void {
    this.#tolerate(page, () => this.#discard(page));
  }

  #discard(page: Page): void {
    this.#setState(page.index, pageState.invalid);
    this.#storage.erase(page.index * PAGE_SIZE, PAGE_SIZE);
    page.items.clear();
    Object.assign(page, { use: 'free', sequence: 0, nextFree: 0, used: 0, dirty: false });
    this.#free.push(page);
    if (this.#current === page) this.#current = undefined;
  }

  /** Whether the next free page is the current one now; if not, it has gone bad. */
  #activate(): boolean {
    const page = this.#free.shift();
    if (page === undefined) throw this.full();
    const sequence = 1 + Math.max(-1, ...this.#pages.filter(({ use }) => use !== 'free').map((other) => other.sequence));
    return this.#tolerate(page, () => {
      if (page.dirty) this.#storage.erase(page.index * PAGE_SIZE, PAGE_SIZE);
      this.#storage.write(page.index * PAGE_SIZE, encodePageHeader(pageState.active, sequence));
      Object.assign(page, { use: 'active', sequence, nextFree: 0, used: 0, dirty: false });
      this.#current = page;
    });
  }

  /** Whether the page took the write; where it did not, it is bad. */
  #tolerate(page: Page, write: () => void): boolean {
    try {
      write();
      return true;
    } catch (error) {
      if (!isWornOut(error)) throw error;
      page.use = 'bad';
      return false;
    }
  }

  #finishCurrent(): void {
    const page = this.#current;
    if (page?.use === 'active' && this.#tolerate(page, () => this.#setState(page.index, pageState.full))) page.use = 'full';
  }

  /** The emptiest page of some, the oldest of those that are alike: so every page has its turn. */
  #least(suits: (page: Page) => boolean): Page | undefined {
    return this.#pages.filter(suits).sort((a, b) => a.used - b.used || a.sequence - b.sequence)[0];
  }

  /** The oldest page, where it has stayed too long. */
  #overdue(span: number): Page | undefined {
    const inUse = this.#pages.filter(({ use }) => use === 'active' || use === 'full').sort((a, b) => a.sequence - b.sequence);
    const [oldest] = inUse;
    const newest = inUse.at(-1);
    if (oldest === undefined || newest === undefined || this.#free.length === 0 || ENTRIES - oldest.used < span) return undefined;
    return newest.sequence - oldest.sequence > TURNS_TO_STAY * this.#pages.length ? oldest : undefined;
  }

  /** A page that is free but bad must not pass for the one that is to be moved to: tried once, by a write that changes nothing. */
  #probe(): void {
    if (this.#probed) return;
    this.#probed = true;
    const blank = Buffer.alloc(BITMAP_WORD, 0xff);
    this.#free = this.#free.filter((page) =>
      this.#tolerate(page, () => {
        const offset = page.index * PAGE_SIZE;
        if (page.dirty) this.#storage.erase(offset, PAGE_SIZE);
        else this.#storage.write(offset, blank);
        page.dirty = false;
      }),
    );
  }

  #newest(): Page | undefined {
    let best: Page | undefined;
    for (const page of this.#pages) if (page.use !== 'free' && page.sequence > (best?.sequence ?? -1)) best = page;
    return best;
  }

  #setState(index: number, state: number): void {
    const word = Buffer.alloc(4);
    word.writeUInt32LE(state);
    this.#storage.write(index * PAGE_SIZE, word);
  }

  /** Word by word from the last to the first: the header of an item changes last, so that a cut leaves an item that shows it is torn. */
  #mark(index: number, slot: number, count: number, state: number): void {
    const bitmap = index * PAGE_SIZE + BITMAP_OFFSET;
    for (let word = Math.floor((slot + count - 1) / ENTRIES_IN_WORD); word >= Math.floor(slot / ENTRIES_IN_WORD); word--) {
      const first = Math.max(slot, word * ENTRIES_IN_WORD);
      const end = Math.min(slot + count, (word + 1) * ENTRIES_IN_WORD);
      const offset = bitmap + word * BITMAP_WORD;
      const bits = this.#storage.read(offset, BITMAP_WORD);
      setEntryStates(bits, first - word * ENTRIES_IN_WORD, end - first, state, 0);
      this.#storage.write(offset, bits);
    }
  }

  /** The error for a lack of room. */
  full(): ImageFault {
    return new ImageFault('NVS_FULL', 'there is no room left for this', {
      where: locate(this.#place),
      expected: 'values that leave one page free',
      remedy: 'delete entries, or give the partition more pages',
    });
  }
}

function toPage({ index, header, sequence, items, nextFree }: PageScan): Page {
  const stored = items.map(
    ({ namespace, type, span, chunk, key, page, slot }): StoredItem => ({ namespace, type, span, chunk, key, page, slot }),
  );
  return {
    index,
    use: sequence === undefined ? 'free' : header.kind === 'active' ? 'active' : 'full',
    sequence: sequence ?? 0,
    nextFree,
    used: stored.reduce((sum, item) => sum + item.span, 0),
    items: new Set(stored),
    dirty: header.kind === 'unreadable',
  };
}
