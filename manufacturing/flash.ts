import { type ChipName, chips, DEFAULT_CHIP } from '@zerotouch/flash-image/chip';
import { EFUSE_SIZE } from '@zerotouch/flash-image/efuse';
import { DEVICE_PARTITION, FACTORY_PARTITION, type ImageContents, type ImageEncryption } from '@zerotouch/flash-image/image';
import {
  defaultLayout,
  isNvs,
  isNvsKeys,
  isSecureCert,
  keyedLayout,
  type Layout,
  type Partition,
  partitionType,
  TABLE_OFFSET,
} from '@zerotouch/flash-image/layout';
import type { Entropy } from '@zerotouch/foundation/entropy';
import type { Files } from './files.js';
import { readGivenFile } from './given-file.js';
import { InputFault } from './input-faults.js';
import { parsePartitionCsv } from './partition-csv.js';
import { readServerRoots } from './server-roots.js';
import type { BatchSpec, ExportForm } from './spec-schema.js';

/** What the flash of every device of a batch is like, its files read and checked. */
export interface FlashPlan {
  readonly chip: ChipName;
  readonly layout: Layout;
  readonly encryption: 'none' | ImageEncryption['scheme'];
  readonly app?: Buffer;
  readonly bootloader?: Buffer;
  /** The roots that the devices trust a server by, PEM. */
  readonly serverRoots?: string;
  /** Forms of each image to write beside it. */
  readonly exports: readonly ExportForm[];
}

/** The flash of a spec that says nothing about it. */
export const defaultFlash: FlashPlan = { chip: DEFAULT_CHIP, layout: defaultLayout, encryption: 'none', exports: [] };

/** First byte of every application and bootloader image. Source: esp-idf, app image format. */
const IMAGE_MAGIC = 0xe9;
/** Factory data fit one page, and so many bytes of server roots beside the longest names and two keys. */
const FACTORY_MINIMUM = 0x1000;
const ROOTS_IN_ONE_PAGE = 2_500;
const DEVICE_MINIMUM = 0x3000;
const CERTIFICATES_MINIMUM = 0x2000;
const KEY_SIZE = 32;

type FlashSpec = Pick<
  BatchSpec,
  'chip' | 'flashSize' | 'encryption' | 'partitions' | 'app' | 'bootloader' | 'export' | 'groups' | 'serverRoots'
>;

/**
 * Reads the files that a spec names for the flash, and makes sure that everything has a place in the layout; writes nothing.
 * @throws InputFault PARTITIONS_INVALID, FLASH_INPUT, SERVER_ROOTS; ImageFault LAYOUT_...
 */
export async function openFlash(spec: FlashSpec, files: Pick<Files, 'read'>): Promise<FlashPlan> {
  const { chip, encryption } = spec;
  const layout = await readLayout(spec, files);
  const app = await readBinary(files, spec.app, 'an application as esptool makes it');
  const bootloader = await readBinary(files, spec.bootloader, 'a bootloader as esptool makes it');
  const where = spec.partitions ?? 'the default layout';
  const need = (what: string, test: (partition: Partition) => boolean, least: number): Partition => {
    const found = layout.partitions.find(test);
    if (found !== undefined && found.size >= least) return found;
    throw new InputFault(
      'FLASH_INPUT',
      found === undefined ? `there is no partition for ${what}` : `the partition for ${what} is too small`,
      {
        where,
        ...(found === undefined ? {} : { seen: found.size }),
        expected: `at least ${least} bytes`,
      },
    );
  };
  const serverRoots = await readServerRoots(spec, files);
  need(
    `factory data (data, nvs, named ${FACTORY_PARTITION})`,
    (one) => isNvs(one) && one.name === FACTORY_PARTITION,
    serverRoots === undefined || serverRoots.length <= ROOTS_IN_ONE_PAGE ? FACTORY_MINIMUM : 2 * FACTORY_MINIMUM,
  );
  need(
    `what the device writes (data, nvs, named ${DEVICE_PARTITION})`,
    (one) => isNvs(one) && one.name === DEVICE_PARTITION,
    DEVICE_MINIMUM,
  );
  if (spec.groups.some((group) => group.attestation === 'x509')) need('certificates (0x3F, 6)', isSecureCert, CERTIFICATES_MINIMUM);
  if (encryption === 'key-partition') need('NVS keys (data, nvs_keys)', isNvsKeys, 0x1000);
  if (app !== undefined) need('the application (app)', ({ type }) => type === partitionType.app, app.length);
  const room = TABLE_OFFSET - chips[chip].bootloaderOffset;
  if (bootloader !== undefined && bootloader.length > room) {
    throw new InputFault('FLASH_INPUT', 'the bootloader reaches into the partition table', {
      where: spec.bootloader ?? 'bootloader',
      seen: bootloader.length,
      expected: `at most ${room} bytes on an ${chip}`,
    });
  }
  const inputs = {
    ...(app === undefined ? {} : { app }),
    ...(bootloader === undefined ? {} : { bootloader }),
    ...(serverRoots === undefined ? {} : { serverRoots }),
  };
  return { chip, layout, encryption, exports: spec.export, ...inputs };
}

/** Keys for one device, as its batch wants them; `undefined` where nothing is encrypted. Secret. */
export function drawEncryption({ encryption }: FlashPlan, entropy: Entropy): ImageEncryption | undefined {
  switch (encryption) {
    case 'none':
      return undefined;
    case 'hmac':
      return { scheme: 'hmac', efuse: entropy.bytes(EFUSE_SIZE) };
    case 'key-partition':
      return { scheme: 'key-partition', keys: { dataKey: entropy.bytes(KEY_SIZE), tweakKey: entropy.bytes(KEY_SIZE) } };
  }
}

/** The parts of an image that come from its flash plan. */
export function flashContents(
  { chip, layout, app, bootloader }: FlashPlan,
  encryption: ImageEncryption | undefined,
): Omit<ImageContents, 'factory' | 'secureCert'> {
  return {
    layout,
    ...(app === undefined ? {} : { app }),
    ...(bootloader === undefined ? {} : { bootloader: { offset: chips[chip].bootloaderOffset, bytes: bootloader } }),
    ...(encryption === undefined ? {} : { encryption }),
  };
}

async function readLayout({ chip, flashSize, encryption, partitions }: FlashSpec, files: Pick<Files, 'read'>): Promise<Layout> {
  if (partitions === undefined) return encryption === 'key-partition' ? keyedLayout : defaultLayout;
  const text = await readInput(files, partitions, 'a partition CSV');
  return parsePartitionCsv(text.toString('utf8'), { chip, flashSize: flashSize * 0x100000, fileName: partitions });
}

async function readBinary(files: Pick<Files, 'read'>, path: string | undefined, expected: string): Promise<Buffer | undefined> {
  if (path === undefined) return undefined;
  const bytes = await readInput(files, path, expected);
  if (bytes[0] === IMAGE_MAGIC) return bytes;
  const seen = bytes.subarray(0, 4).toString('hex');
  throw new InputFault('FLASH_INPUT', 'this is not an image for an ESP chip', {
    where: path,
    seen,
    expected: `${expected}, first byte E9`,
  });
}

async function readInput(files: Pick<Files, 'read'>, path: string, expected: string): Promise<Buffer> {
  const bytes = await readGivenFile(files, path, 'FLASH_INPUT', expected);
  if (bytes !== undefined) return bytes;
  throw new InputFault('FLASH_INPUT', 'there is no such file', { where: path, expected });
}
