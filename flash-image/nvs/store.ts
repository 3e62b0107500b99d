import { ImageFault, isWornOut, locate, type Place } from '../faults.js';
import type { Storage } from '../storage.js';
import { type Damage, damageFault } from './damage.js';
import {
  decodeBlobIndex,
  decodeBody,
  decodeHeader,
  decodeInteger,
  ENTRY_SIZE,
  encodeBlobIndex,
  encodeNamespace,
  encodeSmall,
  encodeVariable,
  itemType,
  MOST_NAMESPACES,
  NAMESPACE_OF_NAMESPACES,
} from './entry.js';
import { CHUNK_LIMIT, PAGE_SIZE } from './page.js';
import { Pages, type StoredItem } from './pages.js';
import { type NvsScan, scanNvs } from './scan.js';
import { checkName, checkValue, type NvsEntry, type NvsValue, sameValue } from './value.js';

/** An entry in flash: the head item first, then the chunks of a blob. */
interface Kept {
  readonly namespace: string;
  readonly key: string;
  readonly head: StoredItem;
  readonly chunks: readonly StoredItem[];
}

/** Chunks of a blob are numbered from one of these; each rewrite takes the other, so that old and new never mix. */
const CHUNK_STARTS = [0x00, 0x80] as const;
const MOST_CHUNKS = 0x7f;
/** Rounds besides one a page that was being moved: a repair can uncover the next. More mean that the storage does not keep what is written. */
const REPAIR_ROUNDS = 4;
/** The namespace of the entry that says that all others are to go. */
const WIPING = 'wiping';
const BEGUN = 'begun';

/**
 * A device's own NVS: a log over pages of flash, with Espressif's order of writes, so that a power cut at any moment leaves every key with
 * its old value or its new one. The write of one entry is atomic; two entries are two writes.
 *
 * All methods throw {@link ImageFault}. After an error of the storage itself the store must be opened again.
 */
export class NvsStore {
  /** What {@link NvsStore.open} found and put right: torn writes, a move that was cut. Empty after a clean shutdown. */
  readonly repairs: readonly ImageFault[];
  readonly #storage: Storage;
  readonly #place: Place;
  readonly #pages: Pages;
  readonly #namespaces = new Map<string, number>();
  readonly #kept = new Map<string, Kept>();

  private constructor(storage: Storage, place: Place, scan: NvsScan, pages: Pages, repairs: readonly ImageFault[]) {
    this.#storage = storage;
    this.#place = place;
    this.#pages = pages;
    this.repairs = repairs;
    const stored = new Map<string, StoredItem>();
    for (const { index } of scan.pages) for (const item of pages.itemsOf(index)) stored.set(`${item.page} ${item.slot}`, item);
    const find = ({ page, slot }: { page: number; slot: number }): StoredItem[] =>
      [stored.get(`${page} ${slot}`)].filter((item) => item !== undefined);
    for (const [name, number] of scan.namespaces) this.#namespaces.set(name, number);
    for (const { namespace, key, items } of scan.entries) {
      const [head, ...chunks] = items.flatMap(find);
      if (head !== undefined) this.#kept.set(idOf(namespace, key), { namespace, key, head, chunks });
    }
  }

  /** Sectors erased so far, and those that take no more writes. */
  get wear(): { readonly erasures: number; readonly badSectors: number } {
    return this.#pages.wear;
  }

  /**
   * Opens the NVS on a region of flash and repairs what a power cut left: torn entries are erased, of two entries with one key the older goes,
   * a cut move is done again. An erased region is an empty store, and nothing is written before the first `set`.
   */
  static open(storage: Storage, place: Place = { partition: 'nvs', offset: 0 }): NvsStore {
    const repairs: ImageFault[] = [];
    const refused = new Set<string>();
    for (let round = 0; round < REPAIR_ROUNDS + storage.size / PAGE_SIZE; round++) {
      const scan = scanNvs(storage.read(0, storage.size), place);
      checkUsable(scan, place);
      const pages = new Pages(storage, place, scan.pages);
      const due = dueRepairs(scan.damage.filter(({ repair }) => !refused.has(JSON.stringify(repair))));
      if (round === 0)
        repairs.push(...scan.damage.filter(({ repair }) => repair.kind === 'none').map((damage) => damageFault(damage, place)));
      if (due.length === 0) return NvsStore.#opened(storage, place, scan, pages, repairs);
      for (const damage of due) {
        if (!pages.repair(damage.repair)) refused.add(JSON.stringify(damage.repair));
        repairs.push(damageFault(damage, place));
      }
    }
    throw new ImageFault('STORAGE_IO', 'repairs do not last', { where: locate(place), expected: 'storage that keeps what is written' });
  }

  static #opened(storage: Storage, place: Place, scan: NvsScan, pages: Pages, repairs: ImageFault[]): NvsStore {
    const store = new NvsStore(storage, place, scan, pages, repairs);
    try {
      if (store.get(WIPING, BEGUN) !== undefined) store.#finishWipe();
    } catch (error) {
      if (!(error instanceof ImageFault)) throw error;
      repairs.push(error);
    }
    pages.ensureFree();
    return store;
  }

  /** The value, or `undefined` where there is none. */
  get(namespace: string, key: string): NvsValue | undefined {
    const kept = this.#kept.get(idOf(namespace, key));
    return kept === undefined ? undefined : this.#read(kept);
  }

  /**
   * Writes the value, wholly or not at all; whatever type the key had before is replaced. False, and nothing written, when it has this value
   * already. Throws `NVS_KEY`, `NVS_VALUE` or `NVS_FULL`; the old value is kept then.
   */
  set(namespace: string, key: string, value: NvsValue): boolean {
    checkName('namespace', namespace);
    checkName('key', key);
    checkValue(namespace, key, value);
    const id = idOf(namespace, key);
    const before = this.#kept.get(id);
    if (before !== undefined && sameValue(this.#read(before), value)) return false;
    const number = this.#namespaces.get(namespace) ?? this.#addNamespace(namespace);
    const written =
      value.type === 'blob'
        ? this.#writeBlob(number, key, value.value, this.#chunkStartOf(before))
        : { head: this.#put(encodeSmall(number, key, value)), chunks: [] };
    this.#kept.set(id, { namespace, key, ...written });
    if (before !== undefined) this.#eraseOld(before);
    return true;
  }

  /** False when there was none. */
  delete(namespace: string, key: string): boolean {
    const id = idOf(namespace, key);
    const kept = this.#kept.get(id);
    if (kept === undefined) return false;
    this.#erase(kept);
    return this.#kept.delete(id);
  }

  /**
   * Forgets every entry and erases every page that held one, for good: a power cut in the middle is made good by {@link NvsStore.open}.
   * Throws `NOR_BAD_SECTOR` for a page that no longer lets itself be erased; all others are erased then.
   */
  wipe(): void {
    const begin = () => this.set(WIPING, BEGUN, { type: 'u8', value: 1 });
    try {
      begin();
    } catch (error) {
      if (!(error instanceof ImageFault) || error.code !== 'NVS_FULL') throw error;
      for (const { namespace, key } of [...this.#kept.values()]) this.delete(namespace, key);
      begin();
    }
    this.#finishWipe();
  }

  /** At every moment a page can be read that says what is going on, and in the end one that never held anything else. */
  #finishWipe(): void {
    const number = this.#namespaces.get(WIPING) ?? 0;
    const marks = this.#pages
      .all()
      .filter(({ namespace, key }) => (namespace === number && key === BEGUN) || (namespace === NAMESPACE_OF_NAMESPACES && key === WIPING));
    const keep = new Set(marks.map(({ page }) => page));
    let refusal = this.#discardOthers(keep);
    const [only] = keep;
    let mark = marks.find(({ namespace }) => namespace === number);
    if (keep.size !== 1 || only === undefined || !this.#pages.holdsOnly(only, 2)) {
      this.#pages.startFresh();
      this.#append(encodeNamespace(number, WIPING));
      mark = this.#append(encodeSmall(number, BEGUN, { type: 'u8', value: 1 }));
      refusal = this.#discardOthers(new Set([mark.page])) ?? refusal;
    }
    if (refusal !== undefined) throw refusal;
    if (mark !== undefined) this.#pages.erase(mark);
    this.#kept.clear();
    this.#namespaces.clear();
    this.#namespaces.set(WIPING, number);
  }

  /** All entries, read from flash now. */
  entries(): NvsEntry[] {
    return [...this.#kept.values()].map((kept) => ({ namespace: kept.namespace, key: kept.key, value: this.#read(kept) }));
  }

  /** Returns once what was set would survive the loss of power of the machine that simulates the flash. */
  commit(): void {
    this.#storage.sync();
  }

  /** The fault of a page that would not be erased; all others are. */
  #discardOthers(keep: ReadonlySet<number>): ImageFault | undefined {
    try {
      this.#pages.discardOthers(keep);
      return undefined;
    } catch (error) {
      if (isWornOut(error)) return error;
      throw error;
    }
  }

  #read(kept: Kept): NvsValue {
    const { type } = kept.head;
    if (type === itemType.blobIndex) return { type: 'blob', value: Buffer.concat(kept.chunks.map((chunk) => this.#readBody(kept, chunk))) };
    if (type === itemType.blobV1) return { type: 'blob', value: Buffer.from(this.#readBody(kept, kept.head)) };
    if (type === itemType.string) {
      const body = this.#readBody(kept, kept.head);
      return { type: 'string', value: body.toString('utf8', 0, body.length - 1) };
    }
    return decodeInteger(type, this.#pages.read(kept.head), 0) ?? this.#damaged(kept);
  }

  #readBody(kept: Kept, item: StoredItem): Buffer {
    return decodeBody(this.#pages.read(item), 0, item.span) ?? this.#damaged(kept);
  }

  #damaged({ namespace, key }: Kept): never {
    throw new ImageFault('NVS_DATA_CRC', `the value of ${namespace}/${key} changed while the store was open`, {
      where: locate(this.#place),
      expected: 'data that matches its CRC',
    });
  }

  #addNamespace(name: string): number {
    const taken = new Set(this.#namespaces.values());
    let number = 1;
    while (taken.has(number)) number++;
    if (number > MOST_NAMESPACES) {
      throw new ImageFault('NVS_NAMESPACE', 'there are too many namespaces', {
        where: locate(this.#place),
        expected: `at most ${MOST_NAMESPACES}`,
      });
    }
    this.#put(encodeNamespace(number, name));
    this.#namespaces.set(name, number);
    return number;
  }

  #put(bytes: Buffer): StoredItem {
    const span = bytes.length / ENTRY_SIZE;
    if (this.#pages.room < span) this.#pages.nextPage(span);
    return this.#append(bytes);
  }

  #append(bytes: Buffer): StoredItem {
    const header = decodeHeader(bytes, 0);
    if (header === undefined)
      throw new ImageFault('NVS_ENTRY', 'an item without a header cannot be written', {
        where: locate(this.#place),
        expected: 'an encoded item',
      });
    return this.#pages.append(header, bytes);
  }

  #chunkStartOf(before: Kept | undefined): number {
    if (before?.head.type !== itemType.blobIndex) return CHUNK_STARTS[0];
    return decodeBlobIndex(this.#pages.read(before.head), 0).start === CHUNK_STARTS[0] ? CHUNK_STARTS[1] : CHUNK_STARTS[0];
  }

  /** The chunks first, the index last: until it is there, the blob does not exist. */
  #writeBlob(namespace: number, key: string, value: Uint8Array, start: number): Pick<Kept, 'head' | 'chunks'> {
    if (value.length > this.#pages.capacity) {
      throw new ImageFault('NVS_FULL', 'the blob is larger than the partition can hold', {
        where: locate(this.#place),
        seen: `${value.length} bytes`,
        expected: `at most ${this.#pages.capacity} bytes`,
      });
    }
    const chunks: StoredItem[] = [];
    try {
      if (this.#tailroom < value.length && this.#tailroom < CHUNK_LIMIT / 10) this.#pages.nextPage(2);
      let written = 0;
      do {
        if (this.#pages.room < (written < value.length ? 2 : 1)) this.#pages.nextPage(2);
        const length = Math.min(this.#tailroom, value.length - written);
        chunks.push(
          this.#append(encodeVariable(namespace, key, itemType.blobData, value.subarray(written, written + length), start + chunks.length)),
        );
        written += length;
      } while (written < value.length && chunks.length < MOST_CHUNKS);
      if (written < value.length) throw this.#pages.full();
      return { head: this.#put(encodeBlobIndex(namespace, key, { size: value.length, count: chunks.length, start })), chunks };
    } catch (error) {
      if (error instanceof ImageFault && error.code === 'NVS_FULL') for (const chunk of chunks) this.#pages.erase(chunk);
      throw error;
    }
  }

  /** Bytes of data that the current page takes in one item. */
  get #tailroom(): number {
    return Math.max(0, this.#pages.room - 1) * ENTRY_SIZE;
  }

  /** What a newer entry makes void need not be marked so: where its page has gone bad, the newer one counts all the same. */
  #eraseOld(before: Kept): void {
    try {
      this.#erase(before);
    } catch (error) {
      if (!isWornOut(error)) throw error;
      for (const item of [before.head, ...before.chunks]) this.#pages.forget(item);
    }
  }

  /** The head first: without it the chunks of a blob belong to nothing. */
  #erase({ head, chunks }: Kept): void {
    this.#pages.erase(head);
    for (const chunk of chunks) this.#pages.erase(chunk);
  }
}

/** A page is moved only once all entries are put right: a move makes its entries the newest, and a stale one would win. */
function dueRepairs(damage: readonly Damage[]): Damage[] {
  const due = damage.filter(({ repair }) => repair.kind !== 'none' && repair.kind !== 'redo-move');
  return due.length > 0 ? due : damage.filter(({ repair }) => repair.kind === 'redo-move');
}

function idOf(namespace: string, key: string): string {
  return `${namespace}\0${key}`;
}

/**
 * A device would take pages that it cannot read for free ones. Where none can be read and some hold entries, these are not torn writes but
 * foreign or encrypted bytes, which must not be erased silently.
 */
function checkUsable({ pages, damage }: NvsScan, place: Place): void {
  if (pages.some((page) => page.sequence !== undefined)) return;
  const foreign = pages.find(({ header }) => header.kind === 'unreadable' && !header.blankEntries);
  if (foreign === undefined) return;
  const found = damage.find(({ repair }) => repair.kind === 'none');
  throw new ImageFault(found?.code ?? 'NVS_PAGE_STATE', 'this is not an NVS partition: no page can be read', {
    where: locate(place, found?.offset),
    expected: found?.expected ?? 'NVS pages',
    remedy: 'give the image of a device with a plain NVS, or burn it again',
  });
}
