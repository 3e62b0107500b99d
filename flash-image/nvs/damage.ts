import { ImageFault, type ImageFaultCode, locate, type Place } from '../faults.js';
import { PAGE_SIZE, slotOffset } from './page.js';

/** What a device does about damage when it mounts the partition. Source: esp-idf nvs_flash, recovery on load. */
export type Repair =
  | { readonly kind: 'erase-entries'; readonly page: number; readonly slot: number; readonly count: number }
  /** A move to a new page was cut: `discard` is the page with the unfinished copy. */
  | { readonly kind: 'redo-move'; readonly page: number; readonly discard: number | undefined }
  | { readonly kind: 'mark-full'; readonly page: number }
  /** A page was given up, and its erase was cut before it began. */
  | { readonly kind: 'erase-page'; readonly page: number }
  /** Nothing to write: an unreadable page counts as free and is erased when its turn comes. */
  | { readonly kind: 'none' };

/** Something that is not as a finished write leaves it. */
export interface Damage {
  readonly code: ImageFaultCode;
  readonly summary: string;
  /** From the start of the partition. */
  readonly offset: number;
  readonly expected: string;
  readonly repair: Repair;
}

/** Damage that is repaired by marking entries of a page as erased. */
export function erasable(
  at: { page: number; slot: number; span: number },
  code: ImageFaultCode,
  summary: string,
  expected: string,
): Damage {
  const { page, slot, span } = at;
  return {
    code,
    summary,
    offset: page * PAGE_SIZE + slotOffset(slot),
    expected,
    repair: { kind: 'erase-entries', page, slot, count: span },
  };
}

/** The damage as an error. */
export function damageFault(damage: Damage, place: Place): ImageFault {
  return new ImageFault(damage.code, damage.summary, { where: locate(place, damage.offset), expected: damage.expected });
}
