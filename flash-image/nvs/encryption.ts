import { createCipheriv, createDecipheriv } from 'node:crypto';
import { crcOf } from '../crc.js';
import { ImageFault, locate, type Place } from '../faults.js';
import type { Storage } from '../storage.js';
import { ENTRY_SIZE } from './entry.js';
import { ENTRIES, ENTRIES_OFFSET, entryState, getEntryState, PAGE_SIZE, pageState, slotOffset } from './page.js';

/** The keys of an encrypted NVS, 32 bytes each. Secret. */
export interface NvsKeys {
  readonly dataKey: Uint8Array;
  readonly tweakKey: Uint8Array;
}

/** Bytes of the `nvs_keys` partition. */
export const NVS_KEYS_SIZE = 0x1000;
const KEY_SIZE = 32;
const CRC_OFFSET = 2 * KEY_SIZE;
const BLOCK = 16;
const RUN = 14 * ENTRY_SIZE;
const ERASED_RUN = Buffer.alloc(RUN, 0xff);

/** The contents of an `nvs_keys` partition: both keys, their CRC32, FF. Source: esp-idf-nvs-partition-gen. */
export function encodeNvsKeys({ dataKey, tweakKey }: NvsKeys): Buffer {
  if (dataKey.length !== KEY_SIZE || tweakKey.length !== KEY_SIZE)
    throw new ImageFault('NVS_KEYS', 'the keys have the wrong length', { where: 'NVS keys', expected: `${KEY_SIZE} bytes each` });
  const partition = Buffer.alloc(NVS_KEYS_SIZE, 0xff);
  partition.set(dataKey, 0);
  partition.set(tweakKey, KEY_SIZE);
  partition.writeUInt32LE(crcOf(partition.subarray(0, CRC_OFFSET)), CRC_OFFSET);
  return partition;
}

/** The keys of an `nvs_keys` partition, `undefined` where it is erased: then the NVS is plain. Throws an {@link ImageFault} `NVS_KEYS`. */
export function decodeNvsKeys(bytes: Uint8Array, place: Place = { partition: 'nvs_keys', offset: 0 }): NvsKeys | undefined {
  const partition = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const head = partition.subarray(0, CRC_OFFSET + 4);
  if (head.every((byte) => byte === 0xff)) return undefined;
  if (head.length === CRC_OFFSET + 4 && crcOf(head.subarray(0, CRC_OFFSET)) === head.readUInt32LE(CRC_OFFSET)) {
    return { dataKey: Buffer.from(head.subarray(0, KEY_SIZE)), tweakKey: Buffer.from(head.subarray(KEY_SIZE, CRC_OFFSET)) };
  }
  throw new ImageFault('NVS_KEYS', 'the NVS keys do not match their CRC', {
    where: locate(place, CRC_OFFSET),
    expected: 'the CRC32 of the 64 bytes before it',
    remedy: 'the bytes were changed or damaged: burn the image again',
  });
}

/**
 * A plain NVS partition, encrypted as Espressif's generator does it: every entry that is marked written, by AES-256-XTS with the entry's byte
 * address as tweak. Page headers, bitmaps and what is still erased stay as they are.
 */
export function encryptNvs(plain: Uint8Array, keys: NvsKeys): Buffer {
  const partition = Buffer.from(plain);
  const written: number[] = [];
  for (let page = 0; page < partition.length; page += PAGE_SIZE) {
    if (partition.readUInt32LE(page) === pageState.empty) continue;
    const bitmap = partition.subarray(page, page + PAGE_SIZE);
    for (let slot = 0; slot < ENTRIES; slot++)
      if (getEntryState(bitmap, slot) === entryState.written) written.push(page + slotOffset(slot));
  }
  transform(partition, 0, written, keys, 'encrypt');
  return partition;
}

/** The partition as {@link encryptNvs} was given it. */
export function decryptNvs(encrypted: Uint8Array, keys: NvsKeys): Buffer {
  const partition = Buffer.from(encrypted);
  transform(partition, 0, programmed(partition, 0), keys, 'decrypt');
  return partition;
}

/**
 * An encrypted NVS partition as if it were plain: what is read from it is decrypted, what is written to it encrypted, entry by entry, so that the
 * order of writes (and what a power cut leaves) is that of a plain one. Accesses are to page headers or to whole entries.
 */
export function encryptedStorage(storage: Storage, keys: NvsKeys): Storage {
  return {
    size: storage.size,
    read(offset, length) {
      const bytes = storage.read(offset, length);
      transform(bytes, offset, programmed(bytes, offset), keys, 'decrypt');
      return bytes;
    },
    write(offset, bytes) {
      const encrypted = Buffer.from(bytes);
      transform(encrypted, offset, entriesIn(offset, encrypted.length), keys, 'encrypt');
      storage.write(offset, encrypted);
    },
    erase: (offset, length) => storage.erase(offset, length),
    sync: () => storage.sync(),
    close: () => storage.close(),
  };
}

/** Offsets, inside the partition, of the entries that lie in a range. */
function entriesIn(offset: number, length: number): number[] {
  const entries: number[] = [];
  for (let at = offset - (offset % ENTRY_SIZE); at < offset + length; at += ENTRY_SIZE) {
    if (at % PAGE_SIZE < ENTRIES_OFFSET) continue;
    if (at < offset || at + ENTRY_SIZE > offset + length) {
      throw new ImageFault('STORAGE_RANGE', 'an encrypted entry can only be accessed as a whole', { expected: `${ENTRY_SIZE} bytes` });
    }
    entries.push(at);
  }
  return entries;
}

/** The entries in a range that are not erased. Most of a partition is: it is passed over in runs. */
function programmed(bytes: Buffer, offset: number): number[] {
  const entries: number[] = [];
  const end = offset + bytes.length;
  for (let at = offset; at < end; ) {
    const inPage = at % PAGE_SIZE;
    const inside = at - offset;
    const run = inPage < ENTRIES_OFFSET ? ENTRIES_OFFSET - inPage : Math.min(RUN, PAGE_SIZE - inPage);
    const length = Math.min(run, end - at);
    const torn = at % ENTRY_SIZE !== 0 || length % ENTRY_SIZE !== 0;
    if (inPage >= ENTRIES_OFFSET && (torn || bytes.compare(ERASED_RUN, 0, length, inside, inside + length) !== 0)) {
      for (const entry of entriesIn(at, length)) {
        const from = entry - offset;
        if (bytes.compare(ERASED_RUN, 0, ENTRY_SIZE, from, from + ENTRY_SIZE) !== 0) entries.push(entry);
      }
    }
    at += length;
  }
  return entries;
}

/**
 * AES-256-XTS of many entries of two blocks each, in place. Built from AES-ECB over all of them at once: a cipher object for every entry
 * would cost more than the encryption itself. Source: IEEE 1619, 5.3.
 */
function transform(bytes: Buffer, start: number, entries: readonly number[], keys: NvsKeys, direction: 'encrypt' | 'decrypt'): void {
  if (entries.length === 0) return;
  const addresses = Buffer.alloc(entries.length * BLOCK);
  for (const [index, at] of entries.entries()) addresses.writeUInt32LE(at, index * BLOCK);
  const firstTweaks = ecb(keys.tweakKey, addresses, 'encrypt');
  const tweaks = Buffer.allocUnsafe(entries.length * ENTRY_SIZE);
  const data = Buffer.allocUnsafe(tweaks.length);
  for (const [index, at] of entries.entries()) {
    firstTweaks.copy(tweaks, index * ENTRY_SIZE, index * BLOCK, (index + 1) * BLOCK);
    double(tweaks, index * ENTRY_SIZE);
    bytes.copy(data, index * ENTRY_SIZE, at - start, at - start + ENTRY_SIZE);
  }
  exclusiveOr(data, tweaks);
  const result = ecb(keys.dataKey, data, direction);
  exclusiveOr(result, tweaks);
  for (const [index, at] of entries.entries()) result.copy(bytes, at - start, index * ENTRY_SIZE, (index + 1) * ENTRY_SIZE);
}

/** Writes the tweak at `offset` times alpha (in GF(2^128), little-endian) behind it. */
function double(tweaks: Buffer, offset: number): void {
  let carry = 0;
  for (let index = offset; index < offset + BLOCK; index++) {
    const byte = tweaks[index] ?? 0;
    tweaks[index + BLOCK] = ((byte << 1) | carry) & 0xff;
    carry = byte >> 7;
  }
  if (carry === 1) tweaks[offset + BLOCK] = (tweaks[offset + BLOCK] ?? 0) ^ 0x87;
}

function exclusiveOr(target: Buffer, other: Buffer): void {
  for (let index = 0; index < target.length; index++) target[index] = (target[index] ?? 0) ^ (other[index] ?? 0);
}

function ecb(key: Uint8Array, data: Buffer, direction: 'encrypt' | 'decrypt'): Buffer {
  const cipher = direction === 'encrypt' ? createCipheriv('aes-256-ecb', key, null) : createDecipheriv('aes-256-ecb', key, null);
  return cipher.setAutoPadding(false).update(data);
}
