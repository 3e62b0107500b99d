import { appLength } from './app-image.js';
import { AppSlots } from './app-slots.js';
import { ImageFault } from './faults.js';
import { isOtaData, type Layout, otaSlots, type Partition, SECTOR_SIZE } from './layout.js';
import { activeSector, type ImageState, readOtaData, slotOf } from './ota-data.js';
import { memoryStorage, region, type Storage } from './storage.js';

/** One of the two entries of `otadata`, as it lies there. */
export interface InspectedOtaEntry {
  /** Flash offset. */
  readonly offset: number;
  /** `damaged`: its CRC32 does not match, or its state is one that nobody writes; it does not count. */
  readonly entry: 'whole' | 'blank' | 'damaged';
  /** What follows is `null` unless the entry is whole. */
  readonly sequence: number | null;
  readonly state: ImageState | null;
  /** Name of the slot that the sequence number means. */
  readonly slot: string | null;
}

/** A slot, and what is in it. */
export interface InspectedSlot {
  readonly name: string;
  /** Flash offset. */
  readonly offset: number;
  /** `damaged`: something that no bootloader starts. `absent`: the image ends before the slot does. */
  readonly application: 'whole' | 'none' | 'damaged' | 'absent';
  /** Bytes of a whole application. */
  readonly length: number | null;
}

/** The application slots of an image. */
export interface InspectedSlots {
  /** Name of the partition that the next start boots; `null` when it boots none. */
  readonly boots: string | null;
  /** Whether that start is the application's trial. */
  readonly onTrial: boolean;
  /** Both sectors of `otadata`. */
  readonly entries: readonly InspectedOtaEntry[];
  /** Index of the entry that counts; `null` when neither does. */
  readonly active: 0 | 1 | null;
  readonly slots: readonly InspectedSlot[];
}

/** The slots of an image, without writing to it; `null` where the layout has none. */
export function inspectSlots(storage: Storage, layout: Layout): InspectedSlots | null {
  const otaData = layout.partitions.find(isOtaData);
  const slots = otaSlots(layout);
  if (otaData === undefined || slots.length === 0 || otaData.offset + otaData.size > storage.size) return null;
  const bytes = region(storage, otaData.offset, otaData.size);
  const data = readOtaData(bytes);
  const entries = data.map((entry, sector): InspectedOtaEntry => {
    const offset = otaData.offset + sector * SECTOR_SIZE;
    if (entry !== undefined) return { offset, entry: 'whole', ...entry, slot: slots[slotOf(entry.sequence, slots.length)]?.name ?? null };
    const isBlank = bytes.read(sector * SECTOR_SIZE, 32).every((byte) => byte === 0xff);
    return { offset, entry: isBlank ? 'blank' : 'damaged', sequence: null, state: null, slot: null };
  });
  const next = nextStart(storage, layout);
  return {
    boots: next?.name ?? null,
    onTrial: next?.onTrial ?? false,
    entries,
    active: activeSector(data) ?? null,
    slots: slots.map((slot) => inspectSlot(storage, slot)),
  };
}

/** A start of a copy: what the bootloader marks on its way must not be written here. */
function nextStart(storage: Storage, layout: Layout): AppSlots['running'] {
  try {
    return AppSlots.boot(memoryStorage(Buffer.from(storage.read(0, storage.size))), layout)?.running;
  } catch (error) {
    if (error instanceof ImageFault && error.code === 'APP_NONE') return undefined;
    throw error;
  }
}

function inspectSlot(storage: Storage, { name, offset, size }: Partition): InspectedSlot {
  if (offset + size > storage.size) return { name, offset, application: 'absent', length: null };
  try {
    return { name, offset, application: 'whole', length: appLength(storage.read(offset, size), { partition: name, offset }) };
  } catch (error) {
    if (!(error instanceof ImageFault)) throw error;
    return { name, offset, application: error.code === 'APP_MISSING' ? 'none' : 'damaged', length: null };
  }
}
