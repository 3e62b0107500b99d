import { crcOf } from '../crc.js';
import { ENTRY_SIZE } from './entry.js';

/** Bytes of a page: one sector of flash. */
export const PAGE_SIZE = 4096;
/** Entries of a page. */
export const ENTRIES = 126;
/** Where the bitmap and the entries of a page start. */
export const BITMAP_OFFSET = 32;
export const ENTRIES_OFFSET = 64;
/** The longest string or blob chunk: a whole page but for its header entry. */
export const CHUNK_LIMIT = (ENTRIES - 1) * ENTRY_SIZE;
/** Format version 2, which brought blobs over several pages. */
export const VERSION_2 = 0xfe;
const HEADER_SIZE = 32;

/** State words: each is reached from the one before it by clearing bits only. */
export const pageState = {
  empty: 0xffffffff,
  active: 0xfffffffe,
  full: 0xfffffffc,
  freeing: 0xfffffff8,
  corrupt: 0xfffffff0,
  invalid: 0,
} as const;

/** Two bits an entry; the fourth combination (1) is none. */
export const entryState = { empty: 3, written: 2, erased: 0 } as const;

const ERASED_PAGE = Buffer.alloc(PAGE_SIZE, 0xff);

/**
 * A page as it was found. `unreadable`: marked as invalid and not erased yet, an unknown state, a header that does not match its CRC, or an
 * empty page that is not FF.
 */
export type PageHeader =
  | { readonly kind: 'empty' }
  | { readonly kind: 'active' | 'full' | 'freeing'; readonly sequence: number; readonly version: number }
  | { readonly kind: 'unreadable'; readonly reason: 'invalid' | 'state' | 'crc' | 'not-erased'; readonly blankEntries: boolean };

/** The 32 bytes that open a page. */
export function encodePageHeader(state: number, sequence: number): Buffer {
  const header = Buffer.alloc(HEADER_SIZE, 0xff);
  header.writeUInt32LE(state, 0);
  header.writeUInt32LE(sequence, 4);
  header.writeUInt8(VERSION_2, 8);
  header.writeUInt32LE(crcOf(header.subarray(4, 28)), 28);
  return header;
}

/** What the header of a page says; `page` is the whole page. */
export function decodePageHeader(page: Buffer): PageHeader {
  const state = page.readUInt32LE(0);
  const unreadable = (reason: 'invalid' | 'state' | 'crc' | 'not-erased'): PageHeader => ({
    kind: 'unreadable',
    reason,
    blankEntries: isErased(page, ENTRIES_OFFSET),
  });
  if (state === pageState.empty) return isErased(page) ? { kind: 'empty' } : unreadable('not-erased');
  if (state === pageState.invalid) return unreadable('invalid');
  const kind =
    state === pageState.active ? 'active' : state === pageState.full ? 'full' : state === pageState.freeing ? 'freeing' : undefined;
  if (kind === undefined) return unreadable('state');
  if (crcOf(page.subarray(4, 28)) !== page.readUInt32LE(28)) return unreadable('crc');
  return { kind, sequence: page.readUInt32LE(4), version: page.readUInt8(8) };
}

/** Whether bytes `from` to `to` of a page are FF. */
export function isErased(page: Buffer, from = 0, to: number = PAGE_SIZE): boolean {
  return page.compare(ERASED_PAGE, 0, to - from, from, to) === 0;
}

/** Where an entry lies inside its page. */
export function slotOffset(slot: number): number {
  return ENTRIES_OFFSET + slot * ENTRY_SIZE;
}

/** The state of an entry in a bitmap that starts at `offset`. */
export function getEntryState(bytes: Buffer, slot: number, offset = BITMAP_OFFSET): number {
  return (bytes.readUInt8(offset + (slot >> 2)) >> ((slot & 3) * 2)) & 3;
}

/** Sets the state of `count` entries from `slot` in a bitmap that starts at `offset`. */
export function setEntryStates(bytes: Buffer, slot: number, count: number, state: number, offset = BITMAP_OFFSET): void {
  for (let index = slot; index < slot + count; index++) {
    const at = offset + (index >> 2);
    const shift = (index & 3) * 2;
    bytes.writeUInt8((bytes.readUInt8(at) & ~(3 << shift)) | (state << shift), at);
  }
}
