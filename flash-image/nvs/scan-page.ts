import { hex, ImageFault, type ImageFaultCode, locate, type Place } from '../faults.js';
import { type Damage, erasable } from './damage.js';
import {
  decodeBody,
  decodeHeader,
  ENTRY_SIZE,
  hasBody,
  type ItemHeader,
  isKnownType,
  itemType,
  MOST_NAMESPACES,
  NAMESPACE_OF_NAMESPACES,
  NO_CHUNK,
} from './entry.js';
import {
  BITMAP_OFFSET,
  decodePageHeader,
  ENTRIES,
  entryState,
  getEntryState,
  isErased,
  PAGE_SIZE,
  type PageHeader,
  slotOffset,
  VERSION_2,
} from './page.js';

/** An item that was written whole and matches its CRCs. */
export interface Item extends ItemHeader {
  readonly page: number;
  readonly slot: number;
  /** The data of a string (with its NUL) or a piece of a blob; a view, not a copy. */
  readonly body: Buffer | undefined;
}

/** A page, its sound items and the first entry that can be written. `sequence` is absent for a page that is not in use. */
export interface PageScan {
  readonly index: number;
  readonly header: PageHeader;
  readonly sequence: number | undefined;
  readonly items: readonly Item[];
  readonly nextFree: number;
}

const unreadable = {
  invalid: ['NVS_PAGE_STATE', 'the page was given up but is not erased', 'FF in the whole page'],
  state: ['NVS_PAGE_STATE', 'the state of the page is unknown', 'empty, active, full or freeing'],
  crc: ['NVS_PAGE_CRC', 'the header of the page does not match its CRC', 'the CRC32 of its bytes 4 to 27'],
  'not-erased': ['NVS_PAGE_STATE', 'the page says it is empty but is not erased', 'FF in the whole page'],
} as const;

/** Reads one page and adds what is wrong with it to `damage`. */
export function scanPage(partition: Buffer, index: number, damage: Damage[], place: Place): PageScan {
  const offset = index * PAGE_SIZE;
  const page = partition.subarray(offset, offset + PAGE_SIZE);
  const header = decodePageHeader(page);
  if (header.kind === 'empty') return { index, header, sequence: undefined, items: [], nextFree: 0 };
  if (header.kind === 'unreadable') {
    const [code, summary, expected] = unreadable[header.reason];
    damage.push({
      code,
      summary,
      offset,
      expected,
      repair: header.reason === 'invalid' ? { kind: 'erase-page', page: index } : { kind: 'none' },
    });
    return { index, header, sequence: undefined, items: [], nextFree: ENTRIES };
  }
  if (header.version !== VERSION_2) {
    throw new ImageFault('NVS_VERSION', 'the page is of another format version', {
      where: locate(place, offset + 8),
      seen: hex(header.version),
      expected: `version 2 (${hex(VERSION_2)})`,
    });
  }
  const items: Item[] = [];
  const end = scanEntries(page, index, items, damage);
  return { index, header, sequence: header.sequence, items, nextFree: checkTail(page, index, end, damage) };
}

/** Walks the entries up to the first that is not in use, whose number it returns. */
function scanEntries(page: Buffer, index: number, items: Item[], damage: Damage[]): number {
  const erase = (slot: number, span: number, code: ImageFaultCode, summary: string, expected: string): number => {
    damage.push(erasable({ page: index, slot, span }, code, summary, expected));
    return span;
  };
  let slot = 0;
  while (slot < ENTRIES) {
    const state = getEntryState(page, slot);
    if (state === entryState.erased) slot += 1;
    else if (state !== entryState.written) break;
    else slot += scanItem(slot);
  }
  return slot;

  function scanItem(slot: number): number {
    const offset = slotOffset(slot);
    const header = decodeHeader(page, offset);
    if (header === undefined)
      return erase(slot, 1, 'NVS_ENTRY_CRC', 'the entry does not match its CRC', 'the CRC32 of its header and data field');
    const { type, span } = header;
    if (!isSound(header, slot))
      return erase(slot, 1, 'NVS_ENTRY', 'the entry is not one that NVS knows', 'a known type, a key and a span within the page');
    for (let next = slot + 1; next < slot + span; next++) {
      if (getEntryState(page, next) === entryState.written) continue;
      return erase(slot, span, 'NVS_ENTRY_STATE', 'the item was not written, or not erased, to its end', `${span} entries marked written`);
    }
    const body = hasBody(type) ? decodeBody(page, offset, span) : undefined;
    if (hasBody(type) && body === undefined)
      return erase(slot, span, 'NVS_DATA_CRC', 'the data does not match its size or CRC', 'the CRC32 of the data');
    if (type === itemType.string && body?.at(-1) !== 0)
      return erase(slot, span, 'NVS_ENTRY', 'the string does not end', 'a NUL as its last byte');
    if (header.namespace === NAMESPACE_OF_NAMESPACES && !isNamespaceNumber(page.readUInt8(offset + 24))) {
      return erase(slot, span, 'NVS_NAMESPACE', 'the namespace has no possible number', `1 to ${MOST_NAMESPACES}`);
    }
    items.push({ ...header, page: index, slot, body });
    return span;
  }
}

/** Nothing may follow the first free entry: what does was being written when power was lost. Returns the first entry that can be written. */
function checkTail(page: Buffer, index: number, end: number, damage: Damage[]): number {
  if (isTailPristine(page, end)) return end;
  let last = ENTRIES - 1;
  while (last >= end && isPristine(page, last)) last--;
  if (last < end) return end;
  const free = { page: index, slot: end, span: last - end + 1 };
  damage.push(erasable(free, 'NVS_ENTRY_STATE', 'an entry that counts as free is not erased', 'FF up to the end of the page'));
  return last + 1;
}

/** The same as {@link isPristine} of every slot from `slot`, in two comparisons. */
function isTailPristine(page: Buffer, slot: number): boolean {
  const wholeByte = Math.ceil(slot / 4);
  for (let next = slot; next < Math.min(wholeByte * 4, ENTRIES); next++) if (getEntryState(page, next) !== entryState.empty) return false;
  return isErased(page, BITMAP_OFFSET + wholeByte, BITMAP_OFFSET + Math.ceil(ENTRIES / 4)) && isErased(page, slotOffset(slot));
}

function isPristine(page: Buffer, slot: number): boolean {
  const offset = slotOffset(slot);
  return getEntryState(page, slot) === entryState.empty && isErased(page, offset, offset + ENTRY_SIZE);
}

function isSound({ namespace, type, span, chunk, key }: ItemHeader, slot: number): boolean {
  if (!isKnownType(type) || span < 1 || slot + span > ENTRIES || key.length === 0 || key.length > 15) return false;
  if (namespace === NAMESPACE_OF_NAMESPACES) return type === itemType.u8 && span === 1;
  if (namespace > MOST_NAMESPACES || (type === itemType.blobData) === (chunk === NO_CHUNK)) return false;
  return hasBody(type) || span === 1;
}

function isNamespaceNumber(number: number): boolean {
  return number >= 1 && number <= MOST_NAMESPACES;
}
