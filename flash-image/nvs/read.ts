import type { ImageFault, Place } from '../faults.js';
import { damageFault } from './damage.js';
import { offsetOf, scanNvs } from './scan.js';
import type { NvsEntry } from './value.js';

/** An entry and where it starts. */
export interface PlacedEntry extends NvsEntry {
  /** Flash offset (by the place that was given). */
  readonly offset: number;
}

/** A partition as a device would see it, and what it would put right first. */
export interface NvsListing {
  readonly entries: readonly PlacedEntry[];
  readonly damage: readonly ImageFault[];
}

const NOWHERE: Place = { partition: 'nvs', offset: 0 };

/**
 * All entries of a partition, in the order of writing. For partitions that nobody writes to: the first thing that a finished write would
 * not leave behind (a CRC, a torn item, a duplicate) is thrown as an {@link ImageFault} `NVS_...`.
 */
export function readNvs(bytes: Uint8Array, place: Place = NOWHERE): PlacedEntry[] {
  const { entries, damage } = inspectNvs(bytes, place);
  const first = damage[0];
  if (first !== undefined) throw first;
  return [...entries];
}

/** All entries of a partition that a device writes to, torn writes and all; nothing is changed. */
export function inspectNvs(bytes: Uint8Array, place: Place = NOWHERE): NvsListing {
  const scan = scanNvs(bytes, place);
  const entries = scan.entries.map(({ namespace, key, value, items: [head] }) => ({
    namespace,
    key,
    value,
    offset: place.offset + (head === undefined ? 0 : offsetOf(head)),
  }));
  return { entries, damage: scan.damage.map((damage) => damageFault(damage, place)) };
}
