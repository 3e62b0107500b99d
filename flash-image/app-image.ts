import { createHash } from 'node:crypto';
import { ImageFault, locate, type Place } from './faults.js';

const MAGIC = 0xe9;
const HEADER_SIZE = 24;
const SEGMENT_HEADER_SIZE = 8;
const MOST_SEGMENTS = 16;
const HASH_FLAG_OFFSET = 23;
const HASH_SIZE = 32;
const CHECKSUM_SEED = 0xef;
const ALIGNMENT = 16;

/** A run of bytes that a bootloader loads to an address. Its length is a multiple of 4. */
export interface Segment {
  readonly address: number;
  readonly bytes: Uint8Array;
}

/**
 * An application as Espressif's bootloader takes it: header, segments, one byte of checksum, SHA-256 over all of it.
 * Source: esp-idf, "App Image Format"; esptool, image formats.
 */
export function encodeApp(segments: readonly Segment[]): Buffer {
  const header = Buffer.alloc(HEADER_SIZE);
  header.writeUInt8(MAGIC, 0);
  header.writeUInt8(segments.length, 1);
  header.writeUInt8(1, HASH_FLAG_OFFSET);
  const parts: Uint8Array[] = [header];
  let checksum = CHECKSUM_SEED;
  for (const { address, bytes } of segments) {
    const head = Buffer.alloc(SEGMENT_HEADER_SIZE);
    head.writeUInt32LE(address, 0);
    head.writeUInt32LE(bytes.length, 4);
    parts.push(head, bytes);
    checksum = sum(checksum, bytes);
  }
  const length = parts.reduce((total, part) => total + part.length, 0);
  const tail = Buffer.alloc(padded(length) - length);
  tail.writeUInt8(checksum, tail.length - 1);
  const body = Buffer.concat([...parts, tail]);
  return Buffer.concat([body, createHash('sha256').update(body).digest()]);
}

/**
 * Bytes that the application at the start of `bytes` takes, its checks included; what follows is not looked at.
 * @throws ImageFault APP_MISSING where the flash is erased, APP_DAMAGED where it is not a whole application
 */
export function appLength(bytes: Buffer, place: Place): number {
  if (bytes.length < HEADER_SIZE || bytes.readUInt8(0) === 0xff) {
    throw new ImageFault('APP_MISSING', 'there is no application', { where: locate(place), expected: 'an image that starts with e9' });
  }
  const damaged = (summary: string, offset: number, seen?: unknown): ImageFault =>
    new ImageFault('APP_DAMAGED', summary, {
      where: locate(place, offset),
      ...(seen === undefined ? {} : { seen }),
      expected: 'a whole application image, as esptool makes it',
    });
  if (bytes.readUInt8(0) !== MAGIC) throw damaged('this is no application', 0, bytes.toString('hex', 0, 1));
  const segments = bytes.readUInt8(1);
  if (segments === 0 || segments > MOST_SEGMENTS) throw damaged('no application has so many segments', 1, segments);
  let checksum = CHECKSUM_SEED;
  let at = HEADER_SIZE;
  for (let segment = 0; segment < segments; segment++) {
    const size = at + SEGMENT_HEADER_SIZE <= bytes.length ? bytes.readUInt32LE(at + 4) : Number.POSITIVE_INFINITY;
    const start = at + SEGMENT_HEADER_SIZE;
    if (start + size > bytes.length) throw damaged('a segment reaches beyond the end', at);
    checksum = sum(checksum, bytes.subarray(start, start + size));
    at = start + size;
  }
  const end = padded(at);
  if (end > bytes.length || bytes.readUInt8(end - 1) !== checksum) throw damaged('the checksum does not match', end - 1);
  if (bytes.readUInt8(HASH_FLAG_OFFSET) === 0) return end;
  const hash = createHash('sha256').update(bytes.subarray(0, end)).digest();
  if (!hash.equals(bytes.subarray(end, end + HASH_SIZE))) throw damaged('the SHA-256 does not match', end);
  return end + HASH_SIZE;
}

function sum(checksum: number, bytes: Uint8Array): number {
  let result = checksum;
  for (const byte of bytes) result ^= byte;
  return result;
}

/** The checksum is the last byte of a block of 16. */
function padded(length: number): number {
  return Math.ceil((length + 1) / ALIGNMENT) * ALIGNMENT;
}
