import { ImageFault, locate, type Place } from '../faults.js';
import { damageFault } from './damage.js';
import { decryptNvs, type NvsKeys } from './encryption.js';
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
 * not leave behind (a CRC, a torn item, a duplicate) is thrown as an {@link ImageFault} `NVS_...`. With keys, the partition is encrypted.
 */
export function readNvs(bytes: Uint8Array, place: Place = NOWHERE, keys?: NvsKeys): PlacedEntry[] {
  const { entries, damage } = inspectNvs(bytes, place, keys);
  const first = damage[0];
  if (first !== undefined) throw first;
  return [...entries];
}

/**
 * All entries of a partition that a device writes to, torn writes and all; nothing is changed.
 * Throws an {@link ImageFault} `NVS_ENCRYPTED` where many entries are written and not one can be read.
 */
export function inspectNvs(bytes: Uint8Array, place: Place = NOWHERE, keys?: NvsKeys): NvsListing {
  const scan = scanNvs(keys === undefined ? bytes : decryptNvs(bytes, keys), place);
  const unreadable = scan.damage.filter(({ code }) => code === 'NVS_ENTRY_CRC').length;
  if (unreadable > 1 && scan.pages.every(({ items }) => items.length === 0)) throw notReadable(place, keys);
  const entries = scan.entries.map(({ namespace, key, value, items: [head] }) => ({
    namespace,
    key,
    value,
    offset: place.offset + (head === undefined ? 0 : offsetOf(head)),
  }));
  return { entries, damage: scan.damage.map((damage) => damageFault(damage, place)) };
}

function notReadable(place: Place, keys: NvsKeys | undefined): ImageFault {
  return new ImageFault('NVS_ENCRYPTED', keys === undefined ? 'the entries are encrypted' : 'the entries do not decrypt', {
    where: locate(place),
    expected: keys === undefined ? "the chip's eFuse" : 'entries that were encrypted with the keys of this chip',
    remedy: 'put the .efuse file that was burnt with the image beside it',
  });
}
