import { ImageFault, locate, type Place } from '../faults.js';
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
  use: 'free' | 'active' | 'full';
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
  readonly #free: Page[];
  #current: Page | undefined;

  constructor(storage: Storage, place: Place, scanned: readonly PageScan[]) {
    this.#storage = storage;
    this.#place = place;
    this.#pages = scanned.map(toPage);
    this.#free = this.#pages.filter((page) => page.use === 'free');
    this.#current = this.#newest();
  }

  /** Bytes of data that all pages but the one that stays free could hold. */
  get capacity(): number {
    return (this.#pages.length - 1) * (ENTRIES - 1) * ENTRY_SIZE;
  }

  /** Entries that can be appended before the next page is needed. */
  get room(): number {
    return this.#current?.use === 'active' ? ENTRIES - this.#current.nextFree : 0;
  }

  /** The items that lie in a page. */
  itemsOf(index: number): StoredItem[] {
    return [...(this.#pages[index]?.items ?? [])];
  }

  /** Makes the next page the current one, with room for at least `span` entries. Throws `NVS_FULL` before anything is written. */
  nextPage(span: number): void {
    if (this.#free.length >= 2) {
      this.#finishCurrent();
      this.#activate();
      return;
    }
    const emptiest = this.#emptiest();
    if (this.#free.length === 0 || emptiest === undefined || ENTRIES - emptiest.used < span) throw this.full();
    this.#finishCurrent();
    this.#move(emptiest);
  }

  /** Appends an item that fits the current page. */
  append(header: ItemHeader, bytes: Buffer): StoredItem {
    const item: StoredItem = { ...header, ...this.#program(header.span, bytes) };
    this.#pages[item.page]?.items.add(item);
    return item;
  }

  /** Marks an item erased. */
  erase(item: StoredItem): void {
    this.#mark(item.page, item.slot, item.span, entryState.erased);
    const page = this.#pages[item.page];
    if (page?.items.delete(item)) page.used -= item.span;
  }

  /** The bytes of an item, its header among them. */
  read(item: StoredItem): Buffer {
    return this.#storage.read(item.page * PAGE_SIZE + slotOffset(item.slot), item.span * ENTRY_SIZE);
  }

  /** A device needs one free page to move to: where a cut left none, the newest page that holds nothing becomes it. */
  ensureFree(): void {
    if (this.#free.length > 0) return;
    const blank = this.#pages.find((page) => page.used === 0);
    if (blank === undefined) {
      throw new ImageFault('NVS_PAGE_STATE', 'no page is free', {
        where: locate(this.#place),
        expected: 'one erased page, which a device needs to move entries',
      });
    }
    this.#release(blank);
  }

  /** Carries out a repair; the pages must be scanned anew afterwards. */
  repair(repair: Repair): void {
    switch (repair.kind) {
      case 'erase-entries':
        this.#mark(repair.page, repair.slot, repair.count, entryState.erased);
        break;
      case 'mark-full':
        this.#setState(repair.page, pageState.full);
        break;
      case 'redo-move':
        this.#redoMove(repair.page, repair.discard);
        break;
      case 'none':
    }
  }

  #redoMove(index: number, discard: number | undefined): void {
    const copy = discard === undefined ? undefined : this.#pages[discard];
    if (copy !== undefined) this.#release(copy);
    const page = this.#pages[index];
    if (page !== undefined) this.#move(page);
  }

  /** Copies what is alive in a page to a fresh one, then erases it. Marked as freeing first, so that no cut leaves the device without a free page. */
  #move(from: Page): void {
    this.#setState(from.index, pageState.freeing);
    this.#activate();
    for (const item of from.items) {
      Object.assign(item, this.#program(item.span, this.read(item)));
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
    page.nextFree += span;
    page.used += span;
    this.#storage.write(offset, bytes.subarray(0, ENTRY_SIZE));
    this.#mark(index, slot, 1, entryState.written);
    if (span > 1) {
      this.#storage.write(offset + ENTRY_SIZE, bytes.subarray(ENTRY_SIZE));
      this.#mark(index, slot + 1, span - 1, entryState.written);
    }
    return { page: index, slot };
  }

  #release(page: Page): void {
    this.#storage.erase(page.index * PAGE_SIZE, PAGE_SIZE);
    page.items.clear();
    Object.assign(page, { use: 'free', sequence: 0, nextFree: 0, used: 0, dirty: false });
    this.#free.push(page);
    if (this.#current === page) this.#current = undefined;
  }

  #activate(): void {
    const page = this.#free.shift();
    if (page === undefined) throw this.full();
    if (page.dirty) this.#storage.erase(page.index * PAGE_SIZE, PAGE_SIZE);
    const sequence = 1 + Math.max(-1, ...this.#pages.filter((other) => other.use !== 'free').map((other) => other.sequence));
    this.#storage.write(page.index * PAGE_SIZE, encodePageHeader(pageState.active, sequence));
    Object.assign(page, { use: 'active', sequence, nextFree: 0, used: 0, dirty: false });
    this.#current = page;
  }

  #finishCurrent(): void {
    if (this.#current?.use !== 'active') return;
    this.#setState(this.#current.index, pageState.full);
    this.#current.use = 'full';
  }

  #emptiest(): Page | undefined {
    let best: Page | undefined;
    for (const page of this.#pages) if (page.use !== 'free' && page.used < (best?.used ?? ENTRIES)) best = page;
    return best;
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
