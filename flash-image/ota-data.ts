import { crcOf } from './crc.js';
import { SECTOR_SIZE } from './layout.js';
import type { Storage } from './storage.js';

/** What is known of the image that an entry of `otadata` speaks of. Source: esp-idf v5.5, esp_flash_partitions.h, esp_ota_img_states_t. */
export const imageStates = ['new', 'pending-verify', 'valid', 'invalid', 'aborted'] as const;
/** `undefined`: written by something that knows no roll-back; it counts as valid. */
export type ImageState = (typeof imageStates)[number] | 'undefined';

/** One of the two entries of `otadata`. The one with the higher sequence number says which slot is booted. */
export interface OtaEntry {
  /** From 1; slot `(sequence - 1) mod number of slots` is meant. */
  readonly sequence: number;
  readonly state: ImageState;
}

/** Both sectors of `otadata`; a sector whose entry is erased, torn or damaged has none. */
export type OtaData = readonly [OtaEntry | undefined, OtaEntry | undefined];

/** Bytes of `otadata`: an entry at the start of each of two sectors, so that one stands while the other is written. */
export const OTA_DATA_SIZE = 2 * SECTOR_SIZE;
const ENTRY_SIZE = 32;
const STATE_OFFSET = 24;
const CRC_OFFSET = 28;
const BLANK = 0xffffffff;

/** The 32 bytes of an entry: sequence u32, 20 bytes of label (FF), state u32, CRC32 of the sequence alone. */
export function encodeOtaEntry({ sequence, state }: OtaEntry): Buffer {
  const bytes = Buffer.alloc(ENTRY_SIZE, 0xff);
  bytes.writeUInt32LE(sequence, 0);
  bytes.writeUInt32LE(state === 'undefined' ? BLANK : imageStates.indexOf(state), STATE_OFFSET);
  bytes.writeUInt32LE(crcOf(bytes.subarray(0, 4)), CRC_OFFSET);
  return bytes;
}

/**
 * The entry, or `undefined` where there is none. A state that nobody writes is what an erase that was cut leaves: Espressif's bootloader would
 * boot such an entry without a trial, here it does not count.
 */
export function decodeOtaEntry(bytes: Buffer): OtaEntry | undefined {
  const sequence = bytes.readUInt32LE(0);
  if (sequence === BLANK || sequence === 0 || bytes.readUInt32LE(CRC_OFFSET) !== crcOf(bytes.subarray(0, 4))) return undefined;
  const number = bytes.readUInt32LE(STATE_OFFSET);
  const state = number === BLANK ? 'undefined' : imageStates[number];
  return state === undefined ? undefined : { sequence, state };
}

/** @param storage the partition `otadata` alone */
export function readOtaData(storage: Storage): OtaData {
  return [decodeOtaEntry(storage.read(0, ENTRY_SIZE)), decodeOtaEntry(storage.read(SECTOR_SIZE, ENTRY_SIZE))];
}

/** Erases a sector and writes its entry. Cut in the middle, the sector holds none, and the other one's entry counts. */
export function writeOtaEntry(storage: Storage, sector: 0 | 1, entry: OtaEntry): void {
  storage.erase(sector * SECTOR_SIZE, SECTOR_SIZE);
  storage.write(sector * SECTOR_SIZE, encodeOtaEntry(entry));
  storage.sync();
}

/** Whether the bootloader may boot what the entry speaks of. */
export function isBootable(entry: OtaEntry | undefined): boolean {
  return entry !== undefined && entry.state !== 'invalid' && entry.state !== 'aborted';
}

/** The sector whose entry counts, `undefined` when neither does. */
export function activeSector([first, second]: OtaData): 0 | 1 | undefined {
  const [one, two] = [first, second].map((entry) => (entry !== undefined && isBootable(entry) ? entry.sequence : 0)) as [number, number];
  if (one === 0 && two === 0) return undefined;
  return one >= two ? 0 : 1;
}

/** The slot that a sequence number means. */
export function slotOf(sequence: number, slots: number): number {
  return (sequence - 1) % slots;
}

/** The smallest sequence number above `above` that means the slot. */
export function sequenceFor(slot: number, slots: number, above: number): number {
  const least = above + 1;
  return least + ((slot - slotOf(least, slots) + slots) % slots);
}
