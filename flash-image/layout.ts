import { hex, ImageFault } from './faults.js';

/** One entry of the partition table. Offsets and sizes in bytes of flash. */
export interface Partition {
  /** 1 to 16 printable ASCII characters. */
  readonly name: string;
  /** See {@link partitionType}. */
  readonly type: number;
  readonly subtype: number;
  readonly offset: number;
  readonly size: number;
  /** Flag bit 0: encrypted where the chip's flash encryption is on. */
  readonly encrypted: boolean;
  /** Flag bit 1. */
  readonly readOnly: boolean;
}

/** What lies where in flash. The chip is an esp32c3 (or s3): its bootloader starts at 0, the table at {@link TABLE_OFFSET}. */
export interface Layout {
  /** Bytes of flash on the chip. */
  readonly flashSize: number;
  readonly partitions: readonly Partition[];
}

/** Where the partition table lies, and the sector it takes. */
export const TABLE_OFFSET = 0x8000;
export const SECTOR_SIZE = 0x1000;
const APP_ALIGNMENT = 0x10000;
/** An NVS that is written to needs a page in use, one to move to and one that stays free. */
const WRITABLE_NVS_MINIMUM = 0x3000;

/** Type numbers that this room knows. Source: esp-idf partition tables guide; esp_secure_cert_mgr. */
export const partitionType = { app: 0x00, data: 0x01, bootloader: 0x02, partitionTable: 0x03, secureCert: 0x3f } as const;
/** Subtype numbers that this room knows: of `app` (slots count up from `otaApp`), of `data`, of `secureCert`. */
export const partitionSubtype = { factoryApp: 0x00, otaApp: 0x10, otaData: 0x00, nvs: 0x02, nvsKeys: 0x04, secureCert: 0x06 } as const;
/** The most application slots a table can tell. */
const MOST_SLOTS = 16;

type Where = (partition: Partition) => string;

const plain = { encrypted: false, readOnly: false };

/**
 * The layout of our images: esp32c3, 4 MiB.
 *
 * There is no `nvs_keys` entry: only the flash-encryption scheme keeps NVS keys in flash ({@link keyedLayout}). The plain scheme has none and
 * the HMAC scheme derives them, and a table that announces an empty key partition would have the device generate keys into it.
 * 0xF000 stays unused, so that a layout with `nvs_keys` moves nothing.
 */
export const defaultLayout: Layout = {
  flashSize: 0x400000,
  partitions: [
    {
      ...plain,
      name: 'esp_secure_cert',
      type: partitionType.secureCert,
      subtype: partitionSubtype.secureCert,
      offset: 0xd000,
      size: 0x2000,
      readOnly: true,
    },
    { ...plain, name: 'nvs', type: partitionType.data, subtype: partitionSubtype.nvs, offset: 0x10000, size: 0x6000 },
    { ...plain, name: 'fctry', type: partitionType.data, subtype: partitionSubtype.nvs, offset: 0x16000, size: 0x3000, readOnly: true },
    { ...plain, name: 'factory', type: partitionType.app, subtype: partitionSubtype.factoryApp, offset: 0x20000, size: 0x100000 },
  ],
};

/** {@link defaultLayout} with an `nvs_keys` partition, which flash encryption keeps secret. */
export const keyedLayout: Layout = {
  ...defaultLayout,
  partitions: defaultLayout.partitions.flatMap((partition) =>
    isSecureCert(partition)
      ? [
          partition,
          {
            name: 'nvs_keys',
            type: partitionType.data,
            subtype: partitionSubtype.nvsKeys,
            offset: 0xf000,
            size: 0x1000,
            encrypted: true,
            readOnly: false,
          },
        ]
      : [partition],
  ),
};

/** {@link defaultLayout} with two application slots instead of one application, and `otadata`, which says which of them is booted. */
export const slottedLayout: Layout = {
  ...defaultLayout,
  partitions: [
    ...defaultLayout.partitions.filter(({ type }) => type !== partitionType.app),
    { ...plain, name: 'otadata', type: partitionType.data, subtype: partitionSubtype.otaData, offset: 0x19000, size: 0x2000 },
    { ...plain, name: 'ota_0', type: partitionType.app, subtype: partitionSubtype.otaApp, offset: 0x20000, size: 0x1e0000 },
    { ...plain, name: 'ota_1', type: partitionType.app, subtype: partitionSubtype.otaApp + 1, offset: 0x200000, size: 0x1e0000 },
  ],
};

/** Whether the partition says which application slot is booted. */
export function isOtaData({ type, subtype }: Partition): boolean {
  return type === partitionType.data && subtype === partitionSubtype.otaData;
}

/** The application slots, `ota_0` first. */
export function otaSlots({ partitions }: Layout): Partition[] {
  const { otaApp } = partitionSubtype;
  return partitions
    .filter(({ type, subtype }) => type === partitionType.app && subtype >= otaApp && subtype < otaApp + MOST_SLOTS)
    .sort((a, b) => a.subtype - b.subtype);
}

/** Whether the partition holds NVS pages. */
export function isNvs(partition: Partition): boolean {
  return partition.type === partitionType.data && partition.subtype === partitionSubtype.nvs;
}

/** Whether the partition holds the keys of the NVS partitions. */
export function isNvsKeys(partition: Partition): boolean {
  return partition.type === partitionType.data && partition.subtype === partitionSubtype.nvsKeys;
}

/** Whether the partition holds esp_secure_cert TLVs. */
export function isSecureCert(partition: Partition): boolean {
  return partition.type === partitionType.secureCert && partition.subtype === partitionSubtype.secureCert;
}

/** The partition of that name, or an {@link ImageFault} `PARTITION_MISSING`. */
export function findPartition(layout: Layout, name: string): Partition {
  const found = layout.partitions.find((partition) => partition.name === name);
  if (found !== undefined) return found;
  throw new ImageFault('PARTITION_MISSING', `the partition table has no partition ${name}`, {
    where: `partition table, offset ${hex(TABLE_OFFSET)}`,
    seen: layout.partitions.map((partition) => partition.name),
    expected: `an entry named ${name}`,
  });
}

/**
 * Throws an {@link ImageFault} `LAYOUT_...` for the first thing that no device could boot or mount. `where` tells the place of a partition in
 * whatever the layout was read from.
 */
export function checkLayout({ flashSize, partitions }: Layout, where: Where = inLayout): void {
  const names = new Set<string>();
  for (const partition of partitions) {
    checkName(partition, names, where);
    checkBounds(partition, flashSize, where);
    checkSize(partition, where);
  }
  const inOrder = [...partitions].sort((a, b) => a.offset - b.offset);
  for (const [index, next] of inOrder.entries()) {
    const before = inOrder[index - 1];
    if (before === undefined || before.offset + before.size <= next.offset) continue;
    throw new ImageFault('LAYOUT_OVERLAP', `it overlaps partition ${before.name}`, {
      where: where(next),
      seen: `${before.name} ends at ${hex(before.offset + before.size)}`,
      expected: 'partitions that follow each other',
    });
  }
}

function checkName(partition: Partition, names: Set<string>, where: Where): void {
  const { name } = partition;
  if (!/^[\x20-\x7e]{1,16}$/.test(name)) {
    throw new ImageFault('LAYOUT_NAME', 'the name does not fit', {
      where: where(partition),
      seen: name,
      expected: '1 to 16 printable ASCII characters',
    });
  }
  if (names.has(name))
    throw new ImageFault('LAYOUT_NAME', 'two partitions have this name', { where: where(partition), expected: 'names that differ' });
  names.add(name);
}

function checkBounds(partition: Partition, flashSize: number, where: Where): void {
  const { type, offset, size } = partition;
  const alignment = type === partitionType.app ? APP_ALIGNMENT : SECTOR_SIZE;
  if (!Number.isInteger(offset) || offset % alignment !== 0) {
    throw new ImageFault('LAYOUT_ALIGNMENT', 'it starts off its grid', {
      where: where(partition),
      seen: hex(offset),
      expected: `a multiple of ${hex(alignment)}`,
    });
  }
  if (isBelowTable(partition)) return;
  if (offset < TABLE_OFFSET + SECTOR_SIZE) {
    throw new ImageFault('LAYOUT_BOUNDS', 'it lies over the bootloader or the partition table', {
      where: where(partition),
      seen: hex(offset),
      expected: `an offset from ${hex(TABLE_OFFSET + SECTOR_SIZE)}`,
    });
  }
  if (offset + size > flashSize) {
    throw new ImageFault('LAYOUT_BOUNDS', 'it ends beyond the flash', {
      where: where(partition),
      seen: hex(offset + size),
      expected: `an end within ${hex(flashSize)}`,
    });
  }
}

function checkSize(partition: Partition, where: Where): void {
  const { size } = partition;
  // Espressif's tool takes any size but for applications; NVS is made of pages.
  const step = isNvs(partition) || partition.type === partitionType.app ? SECTOR_SIZE : 1;
  const least = isNvs(partition) && !partition.readOnly ? WRITABLE_NVS_MINIMUM : step;
  if (!Number.isInteger(size) || size % step !== 0 || size < least) {
    throw new ImageFault('LAYOUT_SIZE', isNvs(partition) ? 'an NVS partition cannot have this size' : 'a partition cannot have this size', {
      where: where(partition),
      seen: hex(size),
      expected: `${step === 1 ? '' : `a multiple of ${hex(step)}, `}at least ${hex(least)}${least === WRITABLE_NVS_MINIMUM ? ' (or the readonly flag)' : ''}`,
    });
  }
}

/** The bootloader and the table itself may be listed too, where they are. */
function isBelowTable({ type, subtype, offset, size }: Partition): boolean {
  if (subtype !== 0) return false;
  if (type === partitionType.partitionTable) return offset === TABLE_OFFSET && size === SECTOR_SIZE;
  return type === partitionType.bootloader && offset + size <= TABLE_OFFSET;
}

function inLayout({ name, offset }: Partition): string {
  return `layout, partition ${name}, offset ${hex(offset)}`;
}
