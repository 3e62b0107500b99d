import { crc32 } from 'node:zlib';

const START = 0xffffffff;

/** The CRC32 of all Espressif formats: zlib's with the start value FFFFFFFF. Give the CRC of what came before to go on with it. */
export function crcOf(bytes: Uint8Array, before: number = START): number {
  // zlib answers 0 for no bytes at all when their address happens to be null.
  return bytes.length === 0 ? before : crc32(bytes, before);
}
