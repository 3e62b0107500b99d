import { deriveNvsKeys } from './efuse.js';
import { decodeFactory, encodeFactory, type FactoryData } from './factory.js';
import { hex, ImageFault, locate } from './faults.js';
import { foreignName } from './foreign.js';
import {
  defaultLayout,
  findPartition,
  isNvs,
  isNvsKeys,
  isSecureCert,
  type Layout,
  otaSlots,
  type Partition,
  partitionType,
  SECTOR_SIZE,
  TABLE_OFFSET,
} from './layout.js';
import { decodeNvsKeys, encodeNvsKeys, encryptedStorage, type NvsKeys } from './nvs/encryption.js';
import { NvsStore } from './nvs/store.js';
import { decodePartitionTable, encodePartitionTable, TABLE_SIZE } from './partition-table.js';
import { decodeSecureCert, encodeSecureCert, type ForChip, type SecureCert } from './secure-cert.js';
import { region, type Storage } from './storage.js';

export type { FactoryData } from './factory.js';
export type { ForChip, SecureCert } from './secure-cert.js';

/** Name of the NVS partition that the factory writes. */
export const FACTORY_PARTITION = 'fctry';
/** Name of the NVS partition that the device writes. */
export const DEVICE_PARTITION = 'nvs';
/** An image without an application ends on a flash block, where the application would start. */
const BLOCK_SIZE = 0x10000;

/** How the values of an image are hidden. Secret. */
export type ImageEncryption =
  /** NVS partitions and the private key are encrypted with keys that the chip derives from its eFuse. */
  | { readonly scheme: 'hmac'; readonly efuse: Uint8Array }
  /** NVS partitions are encrypted, and flash encryption is to hide their keys: without it they lie open in `nvs_keys`. */
  | { readonly scheme: 'key-partition'; readonly keys: NvsKeys };

/** Everything one image carries. */
export interface ImageContents {
  /** {@link defaultLayout} unless given. */
  readonly layout?: Layout;
  readonly factory: FactoryData;
  readonly secureCert?: SecureCert;
  /** An application for the first app partition. */
  readonly app?: Uint8Array;
  /** The second-stage bootloader, and where the chip expects it. */
  readonly bootloader?: { readonly offset: number; readonly bytes: Uint8Array };
  /** Nothing is encrypted unless given. */
  readonly encryption?: ImageEncryption;
}

/** An image that was opened: its read-only parts, already checked, and the part the device writes. */
export interface FlashImage {
  readonly layout: Layout;
  /** `hmac` when it was opened with an eFuse, `key-partition` when its keys are in the image. */
  readonly encryption: 'none' | ImageEncryption['scheme'];
  readonly factory: FactoryData;
  /** `undefined` where esp_secure_cert is empty. */
  readonly secureCert: SecureCert | undefined;
  /** The device's own NVS; opened (and repaired after a power cut) at first use. */
  readonly nvs: NvsStore;
  /** A copy of a partition's bytes. */
  partitionBytes(name: string): Buffer;
}

/** Images of a layout differ in a few partitions only: the rest is laid out once. */
const blanks = new WeakMap<Layout, Buffer>();

/**
 * The image from flash offset 0, ready to be simulated (or flashed beside a bootloader, whose area stays FF). It ends on the first 64 KiB
 * boundary after the data partitions, 0x20000 in the default layout, or after the application (after the last slot, where there are slots).
 */
export function composeImage({ layout = defaultLayout, factory, secureCert, app, bootloader, encryption }: ImageContents): Buffer {
  const blank = blankImage(layout);
  const appPartition = app === undefined ? undefined : firstApp(layout);
  const end = appPartition === undefined ? 0 : endOfApps(layout, appPartition, app?.length ?? 0);
  const image = end > blank.length ? Buffer.concat([blank, Buffer.alloc(end - blank.length, 0xff)]) : Buffer.from(blank);
  const factoryPartition = nvsPartition(layout, FACTORY_PARTITION);
  put(image, factoryPartition, encodeFactory(factory, factoryPartition.size, encryption === undefined ? undefined : keysOf(encryption)));
  if (encryption?.scheme === 'key-partition')
    put(image, layout.partitions.find(isNvsKeys) ?? missing('NVS keys', 'type data, subtype nvs_keys'), encodeNvsKeys(encryption.keys));
  if (secureCert !== undefined)
    put(
      image,
      certPartition(layout) ?? missing('certificates', 'type 0x3F, subtype 6'),
      encodeSecureCert(secureCert, encryption?.scheme === 'hmac' ? encryption : {}),
    );
  if (app !== undefined && appPartition !== undefined) put(image, appPartition, app);
  if (bootloader !== undefined)
    put(image, { name: 'bootloader', offset: bootloader.offset, size: TABLE_OFFSET - bootloader.offset }, bootloader.bytes);
  return image;
}

/**
 * Opens an image and checks table, factory data and certificates; an {@link ImageFault} names partition, offset and expectation.
 * With an eFuse, the image is one that was encrypted for it.
 */
export function openImage(storage: Storage, chip: ForChip = {}): FlashImage {
  const layout = readLayout(storage);
  const factoryPartition = nvsPartition(layout, FACTORY_PARTITION);
  const keys = readNvsKeys(storage, layout, chip);
  const factory = decodeFactory(readPartition(storage, factoryPartition), placeOf(factoryPartition), keys?.keys);
  const cert = certPartition(layout);
  const secureCert = cert === undefined ? undefined : decodeSecureCert(readPartition(storage, cert), placeOf(cert), chip);
  let nvs: NvsStore | undefined;
  return {
    layout,
    encryption: keys?.scheme ?? 'none',
    factory,
    secureCert,
    get nvs() {
      nvs ??= openNvs(storage, layout, keys?.keys);
      return nvs;
    },
    partitionBytes: (name) => readPartition(storage, findPartition(layout, name)),
  };
}

/** The layout that an image's partition table tells; an {@link ImageFault} for anything that is not a flash image. */
export function readLayout(storage: Storage): Layout {
  const start = storage.read(0, Math.min(storage.size, 16));
  if (storage.size === 0)
    throw new ImageFault('IMAGE_EMPTY', 'the image is empty', { where: 'image', seen: '0 bytes', expected: 'a flash image' });
  const foreign = foreignName(start);
  if (storage.size < TABLE_OFFSET + TABLE_SIZE) {
    throw new ImageFault(foreign === undefined ? 'IMAGE_SHORT' : 'IMAGE_FOREIGN', 'the image ends before its partition table', {
      where: locate({ partition: 'table', offset: TABLE_OFFSET }),
      seen: foreign ?? `${hex(storage.size)} bytes`,
      expected: `an image from flash offset 0, at least ${hex(TABLE_OFFSET + TABLE_SIZE)} bytes`,
    });
  }
  try {
    return decodePartitionTable(storage.read(TABLE_OFFSET, TABLE_SIZE));
  } catch (error) {
    if (!(error instanceof ImageFault) || error.code !== 'IMAGE_FOREIGN' || foreign === undefined) throw error;
    const { where, expected = 'a partition table' } = error;
    throw new ImageFault('IMAGE_FOREIGN', 'this is not a flash image', {
      ...(where === undefined ? {} : { where }),
      seen: foreign,
      expected,
      cause: error,
    });
  }
}

/** The keys of the NVS partitions: those in `nvs_keys`, else those that the chip derives; `undefined` where the NVS is plain. Secret. */
export function readNvsKeys(
  storage: Storage,
  layout: Layout,
  { efuse }: ForChip,
): { scheme: ImageEncryption['scheme']; keys: NvsKeys } | undefined {
  const partition = layout.partitions.find(isNvsKeys);
  const keys = partition === undefined ? undefined : decodeNvsKeys(readPartition(storage, partition), placeOf(partition));
  if (keys !== undefined) return { scheme: 'key-partition', keys };
  return efuse === undefined ? undefined : { scheme: 'hmac', keys: deriveNvsKeys(efuse) };
}

/** A copy of a partition's bytes; `IMAGE_SHORT` where the image ends before it does. */
export function readPartition(storage: Storage, partition: Partition): Buffer {
  checkWithin(storage, partition);
  return storage.read(partition.offset, partition.size);
}

/** Where a partition lies, for errors. */
export function placeOf({ name, offset }: Pick<Partition, 'name' | 'offset'>): { partition: string; offset: number } {
  return { partition: name, offset };
}

function keysOf(encryption: ImageEncryption): NvsKeys {
  return encryption.scheme === 'hmac' ? deriveNvsKeys(encryption.efuse) : encryption.keys;
}

function openNvs(storage: Storage, layout: Layout, keys: NvsKeys | undefined): NvsStore {
  const partition = nvsPartition(layout, DEVICE_PARTITION);
  checkWithin(storage, partition);
  const flash = region(storage, partition.offset, partition.size);
  return NvsStore.open(keys === undefined ? flash : encryptedStorage(flash, keys), placeOf(partition));
}

function blankImage(layout: Layout): Buffer {
  const known = blanks.get(layout);
  if (known !== undefined) return known;
  const table = encodePartitionTable(layout);
  const end = layout.partitions.reduce(
    (most, { type, offset, size }) => (type === partitionType.app ? most : Math.max(most, offset + size)),
    0,
  );
  const blank = Buffer.alloc(Math.ceil(end / BLOCK_SIZE) * BLOCK_SIZE, 0xff);
  table.copy(blank, TABLE_OFFSET);
  blanks.set(layout, blank);
  return blank;
}

function put(image: Buffer, partition: Pick<Partition, 'name' | 'offset' | 'size'>, bytes: Uint8Array): void {
  if (bytes.length > partition.size) {
    throw new ImageFault('PARTITION_TOO_SMALL', 'the contents do not fit', {
      where: locate(placeOf(partition)),
      seen: `${bytes.length} bytes`,
      expected: `at most ${partition.size} bytes`,
      remedy: 'give the partition more room in the layout',
    });
  }
  image.set(bytes, partition.offset);
}

function firstApp(layout: Layout): Partition {
  return layout.partitions.find(({ type }) => type === partitionType.app) ?? missing('an application', 'type app');
}

/** A device that can be updated has room for all of its slots. */
function endOfApps(layout: Layout, { offset }: Partition, length: number): number {
  const slots = otaSlots(layout).map((slot) => slot.offset + slot.size);
  return Math.max(offset + Math.ceil(length / SECTOR_SIZE) * SECTOR_SIZE, ...slots);
}

function certPartition(layout: Layout): Partition | undefined {
  return layout.partitions.find(isSecureCert);
}

function nvsPartition(layout: Layout, name: string): Partition {
  const partition = findPartition(layout, name);
  return isNvs(partition) ? partition : missing(`NVS under the name ${name}`, 'type data, subtype nvs');
}

function missing(what: string, expected: string): never {
  throw new ImageFault('PARTITION_MISSING', `the partition table has no place for ${what}`, {
    where: locate({ partition: 'table', offset: TABLE_OFFSET }),
    expected,
  });
}

function checkWithin(storage: Storage, partition: Partition): void {
  const end = partition.offset + partition.size;
  if (end <= storage.size) return;
  throw new ImageFault('IMAGE_SHORT', 'the image ends before this partition does', {
    where: locate(placeOf(partition)),
    seen: `${hex(storage.size)} bytes`,
    expected: `at least ${hex(end)} bytes`,
  });
}
