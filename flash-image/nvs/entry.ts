import { crcOf } from '../crc.js';
import type { NvsValue } from './value.js';

/** Bytes of an entry; an item takes one for its header and as many more as its data needs. */
export const ENTRY_SIZE = 32;
/** `chunk` of every item that is not blob data. */
export const NO_CHUNK = 0xff;
/** The namespace in which namespaces themselves are entries of type u8. */
export const NAMESPACE_OF_NAMESPACES = 0;
/** 255 is taken for "any" by the device. */
export const MOST_NAMESPACES = 254;

/** Type bytes of items. Source: esp-idf nvs_flash. */
export const itemType = {
  u8: 0x01,
  u16: 0x02,
  u32: 0x04,
  u64: 0x08,
  i8: 0x11,
  i16: 0x12,
  i32: 0x14,
  i64: 0x18,
  string: 0x21,
  blobV1: 0x41,
  blobData: 0x42,
  blobIndex: 0x48,
} as const;

/** The header of an item. */
export interface ItemHeader {
  readonly namespace: number;
  readonly type: number;
  /** Entries the item takes, its header among them. */
  readonly span: number;
  readonly chunk: number;
  readonly key: string;
}

/** What a blob's index entry tells: bytes in all, and chunk numbers `start` to `start + count - 1`. */
export interface BlobIndex {
  readonly size: number;
  readonly count: number;
  readonly start: number;
}

const typeNames = new Map<number, string>(Object.entries(itemType).map(([name, code]) => [code, name]));

/** Whether the type byte is one that NVS knows. */
export function isKnownType(type: number): boolean {
  return typeNames.has(type);
}

/** Whether items of the type carry data in entries of their own. */
export function hasBody(type: number): boolean {
  return type === itemType.string || type === itemType.blobData || type === itemType.blobV1;
}

/** Entries for an item with that many bytes of data. */
export function spanFor(dataLength: number): number {
  return 1 + Math.ceil(dataLength / ENTRY_SIZE);
}

/** A whole item whose data follows its header: string or blob data. */
export function encodeVariable(namespace: number, key: string, type: number, data: Uint8Array, chunk: number = NO_CHUNK): Buffer {
  const span = spanFor(data.length);
  const item = Buffer.allocUnsafe(span * ENTRY_SIZE).fill(0xff, 24);
  item.writeUInt16LE(data.length, 24);
  item.writeUInt32LE(crcOf(data), 28);
  item.set(data, ENTRY_SIZE);
  return seal(item, { namespace, key, type, span, chunk });
}

/** A blob's index entry. */
export function encodeBlobIndex(namespace: number, key: string, { size, count, start }: BlobIndex): Buffer {
  const item = Buffer.allocUnsafe(ENTRY_SIZE).fill(0xff, 24);
  item.writeUInt32LE(size, 24);
  item.writeUInt8(count, 28);
  item.writeUInt8(start, 29);
  return seal(item, { namespace, key, type: itemType.blobIndex, span: 1, chunk: NO_CHUNK });
}

/** The entry that gives a namespace its number. */
export function encodeNamespace(index: number, name: string): Buffer {
  return encodeSmall(NAMESPACE_OF_NAMESPACES, name, { type: 'u8', value: index });
}

/** An item that is not a blob, which takes several. */
export function encodeSmall(namespace: number, key: string, value: Exclude<NvsValue, { type: 'blob' }>): Buffer {
  if (value.type === 'string') return encodeVariable(namespace, key, itemType.string, Buffer.from(`${value.value}\0`));
  const item = Buffer.allocUnsafe(ENTRY_SIZE).fill(0xff, 24);
  writeInteger(item, value);
  return seal(item, { namespace, key, type: itemType[value.type], span: 1, chunk: NO_CHUNK });
}

/** The header at an offset, or `undefined` when it does not match its CRC. */
export function decodeHeader(bytes: Buffer, offset: number): ItemHeader | undefined {
  if (headerCrc(bytes, offset) !== bytes.readUInt32LE(offset + 4)) return undefined;
  const keyEnd = bytes.indexOf(0, offset + 8);
  return {
    namespace: bytes.readUInt8(offset),
    type: bytes.readUInt8(offset + 1),
    span: bytes.readUInt8(offset + 2),
    chunk: bytes.readUInt8(offset + 3),
    key: bytes.toString('latin1', offset + 8, keyEnd === -1 ? offset + 24 : Math.min(keyEnd, offset + 24)),
  };
}

/** The index that a blob's index entry holds; `offset` is that of the entry. */
export function decodeBlobIndex(bytes: Buffer, offset: number): BlobIndex {
  return { size: bytes.readUInt32LE(offset + 24), count: bytes.readUInt8(offset + 28), start: bytes.readUInt8(offset + 29) };
}

/** The integer of an entry, `undefined` for a type that is none. */
export function decodeInteger(type: number, bytes: Buffer, offset: number): NvsValue | undefined {
  const at = offset + 24;
  switch (type) {
    case itemType.u8:
      return { type: 'u8', value: bytes.readUInt8(at) };
    case itemType.i8:
      return { type: 'i8', value: bytes.readInt8(at) };
    case itemType.u16:
      return { type: 'u16', value: bytes.readUInt16LE(at) };
    case itemType.i16:
      return { type: 'i16', value: bytes.readInt16LE(at) };
    case itemType.u32:
      return { type: 'u32', value: bytes.readUInt32LE(at) };
    case itemType.i32:
      return { type: 'i32', value: bytes.readInt32LE(at) };
    case itemType.u64:
      return { type: 'u64', value: bytes.readBigUInt64LE(at) };
    case itemType.i64:
      return { type: 'i64', value: bytes.readBigInt64LE(at) };
    default:
      return undefined;
  }
}

/** The data of a string or blob item at `offset`, or `undefined` when size or CRC do not match. */
export function decodeBody(bytes: Buffer, offset: number, span: number): Buffer | undefined {
  const size = bytes.readUInt16LE(offset + 24);
  if (spanFor(size) !== span) return undefined;
  const data = bytes.subarray(offset + ENTRY_SIZE, offset + ENTRY_SIZE + size);
  return crcOf(data) === bytes.readUInt32LE(offset + 28) ? data : undefined;
}

function writeInteger(item: Buffer, { type, value }: Exclude<NvsValue, { type: 'blob' | 'string' }>): void {
  switch (type) {
    case 'u8':
      return void item.writeUInt8(value, 24);
    case 'i8':
      return void item.writeInt8(value, 24);
    case 'u16':
      return void item.writeUInt16LE(value, 24);
    case 'i16':
      return void item.writeInt16LE(value, 24);
    case 'u32':
      return void item.writeUInt32LE(value, 24);
    case 'i32':
      return void item.writeInt32LE(value, 24);
    case 'u64':
      return void item.writeBigUInt64LE(value, 24);
    case 'i64':
      return void item.writeBigInt64LE(value, 24);
  }
}

/** Fills in the header of an item whose data field is set, and its CRC last. */
function seal(item: Buffer, { namespace, key, type, span, chunk }: ItemHeader): Buffer {
  item.writeUInt8(namespace, 0);
  item.writeUInt8(type, 1);
  item.writeUInt8(span, 2);
  item.writeUInt8(chunk, 3);
  item.fill(0, 8, 24);
  item.write(key, 8, 'latin1');
  item.writeUInt32LE(headerCrc(item, 0), 4);
  return item;
}

/** The CRC covers the header without itself. */
function headerCrc(bytes: Buffer, offset: number): number {
  return crcOf(bytes.subarray(offset + 8, offset + ENTRY_SIZE), crcOf(bytes.subarray(offset, offset + 4)));
}
