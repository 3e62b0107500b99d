import { ImageFault } from '../faults.js';
import { ENTRY_SIZE, encodeBlobIndex, encodeNamespace, encodeSmall, encodeVariable, itemType, MOST_NAMESPACES } from './entry.js';
import { BITMAP_OFFSET, ENTRIES, encodePageHeader, entryState, PAGE_SIZE, pageState, setEntryStates, slotOffset } from './page.js';
import { checkName, checkValue, type NvsEntry } from './value.js';

/** A page in use, one to move to, one that stays free. */
const WRITABLE_PAGES = 3;

/**
 * A whole NVS partition of `size` bytes with the entries in the given order, byte for byte as Espressif's generator makes it: a namespace is
 * numbered where it first appears, the last used page stays active, one page stays free, but not where there are fewer than three: such a
 * partition is only read.
 *
 * Throws an {@link ImageFault} `NVS_KEY`, `NVS_VALUE`, `NVS_SIZE` or `NVS_FULL`.
 */
export function generateNvs(entries: readonly NvsEntry[], size: number): Buffer {
  if (size % PAGE_SIZE !== 0 || size < PAGE_SIZE) {
    throw new ImageFault('NVS_SIZE', 'an NVS partition cannot have this size', {
      seen: size,
      expected: `a multiple of ${PAGE_SIZE} bytes`,
    });
  }
  const writer = new PageWriter(Buffer.alloc(size, 0xff));
  const namespaces = new Map<string, number>();
  for (const { namespace, key, value } of entries) {
    checkName('key', key);
    checkValue(namespace, key, value);
    const number = namespaces.get(namespace) ?? addNamespace(writer, namespaces, namespace);
    if (value.type === 'blob') writeBlob(writer, number, key, value.value);
    else writer.put(encodeSmall(number, key, value));
  }
  return writer.partition;
}

function addNamespace(writer: PageWriter, namespaces: Map<string, number>, name: string): number {
  checkName('namespace', name);
  const number = namespaces.size + 1;
  if (number > MOST_NAMESPACES)
    throw new ImageFault('NVS_NAMESPACE', 'too many namespaces', { where: `namespace ${name}`, expected: `at most ${MOST_NAMESPACES}` });
  writer.put(encodeNamespace(number, name));
  namespaces.set(name, number);
  return number;
}

function writeBlob(writer: PageWriter, namespace: number, key: string, value: Uint8Array): void {
  let count = 0;
  let written = 0;
  if (writer.room === 0) writer.nextPage();
  do {
    const tailroom = (writer.room - 1) * ENTRY_SIZE;
    const length = Math.min(tailroom, value.length - written);
    writer.append(encodeVariable(namespace, key, itemType.blobData, value.subarray(written, written + length), count));
    count++;
    written += length;
    // The generator opens a page even when there is room for the index: less than an entry is left of the chunk's own reckoning.
    if (written < value.length || tailroom - length < ENTRY_SIZE) writer.nextPage();
  } while (written < value.length);
  writer.append(encodeBlobIndex(namespace, key, { size: value.length, count, start: 0 }));
}

/** Pages filled one after the other; the last one stays free where a device may write. */
class PageWriter {
  #page = 0;
  #slot = 0;
  readonly #end: number;

  constructor(readonly partition: Buffer) {
    this.#end = partition.length < WRITABLE_PAGES * PAGE_SIZE ? partition.length : partition.length - PAGE_SIZE;
    encodePageHeader(pageState.active, 0).copy(partition, 0);
  }

  /** Entries left in this page. */
  get room(): number {
    return ENTRIES - this.#slot;
  }

  /** Puts an item on this page, or on the next by the generator's rule: an item with data does not take the very last entry. */
  put(item: Buffer): void {
    const span = item.length / ENTRY_SIZE;
    const tooTight = span === 1 ? this.room < 1 : this.room <= span;
    if (tooTight && this.#slot > 0) this.nextPage();
    this.append(item);
  }

  append(item: Buffer): void {
    const span = item.length / ENTRY_SIZE;
    const base = this.#page * PAGE_SIZE;
    if (span > this.room) throw full();
    item.copy(this.partition, base + slotOffset(this.#slot));
    setEntryStates(this.partition, this.#slot, span, entryState.written, base + BITMAP_OFFSET);
    this.#slot += span;
  }

  nextPage(): void {
    if ((this.#page + 1) * PAGE_SIZE >= this.#end) throw full();
    this.partition.writeUInt32LE(pageState.full, this.#page * PAGE_SIZE);
    this.#page++;
    this.#slot = 0;
    encodePageHeader(pageState.active, this.#page).copy(this.partition, this.#page * PAGE_SIZE);
  }
}

function full(): ImageFault {
  return new ImageFault('NVS_FULL', 'the values do not fit the NVS partition', {
    expected: `values that leave one page free where there are ${WRITABLE_PAGES} or more`,
    remedy: 'give the partition more pages',
  });
}
