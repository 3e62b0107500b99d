import { createHash } from 'node:crypto';
import { basename, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { efusePath } from '@zerotouch/flash-image/efuse';
import { composeImage, type FactoryData, type ImageContents, openImage } from '@zerotouch/flash-image/image';
import type { Layout } from '@zerotouch/flash-image/layout';
import type { SecureCert } from '@zerotouch/flash-image/secure-cert';
import { memoryStorage } from '@zerotouch/flash-image/storage';
import type { Entropy } from '@zerotouch/foundation/entropy';
import { isFault } from '@zerotouch/foundation/fault';
import { individualEntropy } from './batch-sources.js';
import { type CredentialSource, type Credentials, makeCredentials } from './credentials.js';
import { writeExports } from './export.js';
import { ManufacturingFault } from './faults.js';
import { type Files, MODE, writeDurably, writeNamed } from './files.js';
import { defaultFlash, drawEncryption, type FlashPlan, flashContents } from './flash.js';
import type { IdentityRecord } from './ledger/records.js';
import { imageName } from './out-folder.js';
import type { PlannedDevice } from './plan.js';
import { isFactoryOwned, type PartitionHashes, readBack } from './read-back.js';

const IDENTITY_BYTES = 16;

/** Where devices are burnt, and what is the same for all of them. */
export interface Station {
  /** Folder of the batch. */
  out: string;
  idScope: string;
  endpoint: string;
  files: Files;
  entropy: Entropy;
  /** What the keys of individual enrolments are derived from. Secret. */
  individualSecret?: Buffer | undefined;
  /** Whether what this station has in hand is still its own; always unless given. */
  held?: () => boolean;
  /** What the flash of the devices is like; {@link defaultFlash} unless given. */
  flash?: FlashPlan;
}

/** A device with its identity, not yet burnt. */
export interface PreparedDevice {
  device: PlannedDevice;
  /** The public side, fit for the ledger. */
  identity: IdentityRecord;
  /** Secret. */
  readonly order: BurnOrder;
}

/** What goes into one image, and what must not. */
interface BurnOrder extends ImageContents {
  /** The composed image. */
  image: Buffer;
  forbidden: readonly Buffer[];
}

/**
 * Gives a device its identity and composes its image, all in memory. What the ledger may know of it comes with it, the hashes of the image's
 * read-only partitions included: they must be recorded before anything is written.
 */
export async function prepareDevice(station: Station, device: PlannedDevice, source: CredentialSource): Promise<PreparedDevice> {
  const { flash = defaultFlash, entropy, individualSecret } = station;
  const id = entropy.bytes(IDENTITY_BYTES).toString('hex');
  const encryption = drawEncryption(flash, entropy);
  const derived = source.kind === 'own-keys' && individualSecret !== undefined;
  const credentials = await makeCredentials(device, source, derived ? individualEntropy(individualSecret, id) : entropy);
  const contents: ImageContents = {
    ...flashContents(flash, encryption),
    factory: factoryOf(station, device, credentials),
    ...(credentials.kind === 'x509' && source.kind === 'line' ? { secureCert: secureCertOf(credentials, source.rootPem) } : {}),
  };
  const image = composeImage(contents);
  const forbidden = source.kind === 'group-keys' ? [source.keys.primary, source.keys.secondary] : [];
  const partitions = hashPartitions(image, flash.layout);
  return { device, identity: { id, ...publicSide(device, credentials), partitions }, order: { ...contents, image, forbidden } };
}

/**
 * Burns the image of a device and reads that back from the disk before it gets its name: an image under its own name is whole and checked,
 * whenever the power went. The folder is not synced yet: {@link Station} says so, once for many images.
 * @returns where the image lies, relative to the folder of the batch
 * @throws ManufacturingFault READ_BACK, CLAIM_LOST, ImageFault, or an error of `files`; nothing is left of the image then
 */
export async function burnDevice(station: Station, { device, order }: PreparedDevice): Promise<string> {
  const { files, out, flash = defaultFlash } = station;
  const { image, forbidden, ...contents } = order;
  const name = imageName(device.registrationId);
  const path = join(out, name);
  const efuse = contents.encryption?.scheme === 'hmac' ? contents.encryption.efuse : undefined;
  refuseLost(station, device);
  try {
    // Before the image: nobody could read one without the other.
    if (efuse !== undefined) await writeDurably(files, efusePath(path), efuse, MODE.secret);
    await writeNamed(files, path, image, MODE.secret, async (temporary) => {
      const onDisk = await files.read(temporary);
      if (onDisk === undefined) {
        throw new ManufacturingFault('READ_BACK', 'the file is gone', { where: temporary, expected: 'what was burnt' });
      }
      const chip = efuse === undefined ? undefined : await files.read(efusePath(path));
      readBack(onDisk, { image, forbidden, ...contents }, chip === undefined ? {} : { efuse: chip });
      await writeExports(files, out, { image: onDisk, stem: basename(path, '.bin'), flash, ...(efuse === undefined ? {} : { efuse }) });
      await writeCertificate(files, out, name, contents.secureCert);
      refuseLost(station, device);
    });
  } catch (error) {
    if (!isFault(error) || error.code !== 'CLAIM_LOST') await discardImage(station, device);
    throw error;
  }
  return name;
}

/** Name of the folder of certificates whose keys are elsewhere, in the folder of a batch. */
export const CERTIFICATE_FOLDER = 'certificates';

// For whoever has to carry it to where the key is: the leaf, and what a device sends with it. The image follows only when it is there.
async function writeCertificate(files: Files, out: string, image: string, secureCert: SecureCert | undefined): Promise<void> {
  if (secureCert === undefined || secureCert.privateKey !== undefined) return;
  const folder = join(out, CERTIFICATE_FOLDER);
  await files.makeFolder(folder, MODE.folder);
  await writeDurably(files, join(folder, `${basename(image, '.bin')}.pem`), secureCert.deviceCertificate, MODE.open);
}

// What lies under the name may be another station's by then.
function refuseLost({ held }: Station, { registrationId }: PlannedDevice): void {
  if (held === undefined || held()) return;
  throw new ManufacturingFault('CLAIM_LOST', 'this station stood still for too long, and others may have taken the device over', {
    where: registrationId,
    expected: 'a sign of life in time',
    remedy: 'run the same command with --resume',
  });
}

/** Takes back an image that was burnt and cannot be kept. */
export async function discardImage({ files, out }: Station, { registrationId }: PlannedDevice): Promise<void> {
  const path = join(out, imageName(registrationId));
  for (const name of [path, efusePath(path)]) await files.remove(name).catch(() => {});
}

/**
 * Whether the image of a device is on the disk as the ledger has it: it opens, and its read-only partitions have these hashes.
 * @returns `undefined` where it is; else why not
 */
export async function imageProblem(
  { files, out }: Station,
  registrationId: string,
  { partitions }: IdentityRecord,
): Promise<string | undefined> {
  const path = join(out, imageName(registrationId));
  const bytes = await files.read(path);
  if (bytes === undefined) return 'the image is missing';
  const efuse = await files.read(efusePath(path));
  try {
    const { layout } = openImage(memoryStorage(bytes), efuse === undefined ? {} : { efuse });
    return isDeepStrictEqual(hashPartitions(bytes, layout), partitions) ? undefined : 'the image is not the one that was burnt';
  } catch (error) {
    return `the image cannot be read: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function hashPartitions(image: Buffer, { partitions }: Layout): PartitionHashes {
  const hashed = partitions.filter(isFactoryOwned);
  return Object.fromEntries(
    hashed.map(({ name, offset, size }) => [
      name,
      createHash('sha256')
        .update(image.subarray(offset, offset + size))
        .digest('hex'),
    ]),
  );
}

function publicSide({ group }: PlannedDevice, credentials: Credentials): Omit<IdentityRecord, 'id' | 'partitions'> {
  if (credentials.kind === 'tpm') return { publicKey: credentials.endorsementKey };
  if (credentials.kind !== 'x509') return {};
  const { leaf, leafPem } = credentials;
  return { ...leaf, ...(group.enrolment === 'individual' ? { certificate: leafPem } : {}) };
}

function factoryOf(
  { idScope, endpoint, flash: { serverRoots } = defaultFlash }: Station,
  { registrationId, serial, group }: PlannedDevice,
  credentials: Credentials,
): FactoryData {
  const factory = { idScope, endpoint, registrationId, serial, ...(serverRoots === undefined ? {} : { serverRoots }) };
  switch (credentials.kind) {
    case 'x509':
    case 'tpm':
      return factory;
    case 'derived-key':
      return {
        ...factory,
        symmetricKey: credentials.key,
        ...(credentials.second === undefined ? {} : { secondaryKey: credentials.second }),
      };
    case 'own-keys':
      return {
        ...factory,
        symmetricKey: credentials.keys.primary,
        ...(group.secondKey === true ? { secondaryKey: credentials.keys.secondary } : {}),
      };
  }
}

function secureCertOf({ chainPem, privateKeyPem }: Extract<Credentials, { kind: 'x509' }>, rootPem: string): SecureCert {
  return { caCertificate: rootPem, deviceCertificate: chainPem, ...(privateKeyPem === undefined ? {} : { privateKey: privateKeyPem }) };
}
