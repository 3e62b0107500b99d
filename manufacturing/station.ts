import { basename, join } from 'node:path';
import type { IndividualEnrolment } from '@zerotouch/azure-wire/enrolment';
import { efusePath } from '@zerotouch/flash-image/efuse';
import { composeImage, type FactoryData, type ImageContents } from '@zerotouch/flash-image/image';
import type { SecureCert } from '@zerotouch/flash-image/secure-cert';
import type { Entropy } from '@zerotouch/foundation/entropy';
import { type CredentialSource, type Credentials, makeCredentials } from './credentials.js';
import { enrolIndividually } from './enrol.js';
import { writeExports } from './export.js';
import { ManufacturingFault } from './faults.js';
import { type Files, MODE, writeDurably } from './files.js';
import { defaultFlash, drawEncryption, type FlashPlan, flashContents } from './flash.js';
import { type ManifestDevice, manifestDevice } from './manifest.js';
import { imageName } from './out-folder.js';
import type { PlannedDevice } from './plan.js';
import { type PartitionHashes, readBack } from './read-back.js';

/** Where devices are burnt, and what is the same for all of them. */
export interface Station {
  /** Folder of the batch. */
  out: string;
  idScope: string;
  endpoint: string;
  files: Files;
  entropy: Entropy;
  /** What the flash of the devices is like; {@link defaultFlash} unless given. */
  flash?: FlashPlan;
}

/** What is kept of a burnt device. `enrolment` may be secret. */
export interface BurntDevice {
  manifest: ManifestDevice;
  /** Where it is enrolled by itself. */
  enrolment?: IndividualEnrolment;
}

/**
 * Gives a device its identity, burns its image and reads that back from the disk before it gets its name: an image under its own name is whole
 * and checked, whenever the power went.
 * @throws ManufacturingFault READ_BACK, ImageFault, or an error of `files`; nothing is left of the image then
 */
export async function burnDevice(station: Station, device: PlannedDevice, source: CredentialSource): Promise<BurntDevice> {
  const { flash = defaultFlash } = station;
  const encryption = drawEncryption(flash, station.entropy);
  const credentials = await makeCredentials(device, source, station.entropy);
  const image = imageName(device.registrationId);
  const partitions = await burnImage(station, image, {
    ...flashContents(flash, encryption),
    factory: factoryOf(station, device, credentials),
    ...(credentials.kind === 'x509' && source.kind === 'line' ? { secureCert: secureCertOf(credentials, source.rootPem) } : {}),
    forbidden: source.kind === 'group-keys' ? [source.keys.primary, source.keys.secondary] : [],
  });
  const manifest = manifestDevice(device, image, partitions, credentials.kind === 'x509' ? credentials.leaf : undefined);
  if (device.group.enrolment === 'group' || credentials.kind === 'derived-key') return { manifest };
  return { manifest, enrolment: enrolIndividually(device, credentials) };
}

/** What goes into one image, and what must not. */
interface BurnOrder extends ImageContents {
  /** Secret. */
  forbidden: readonly Buffer[];
}

async function burnImage(
  { files, out, flash = defaultFlash }: Station,
  name: string,
  { forbidden, ...contents }: BurnOrder,
): Promise<PartitionHashes> {
  const path = join(out, name);
  const image = composeImage(contents);
  const efuse = contents.encryption?.scheme === 'hmac' ? contents.encryption.efuse : undefined;
  let hashes: PartitionHashes = {};
  try {
    // Before the image: nobody could read one without the other.
    if (efuse !== undefined) await writeDurably(files, efusePath(path), efuse, MODE.secret);
    await writeDurably(files, path, image, MODE.secret, async (temporary) => {
      const onDisk = await files.read(temporary);
      if (onDisk === undefined) {
        throw new ManufacturingFault('READ_BACK', 'the file is gone', { where: temporary, expected: 'what was burnt' });
      }
      const chip = efuse === undefined ? undefined : await files.read(efusePath(path));
      hashes = readBack(onDisk, { image, forbidden, ...contents }, chip === undefined ? {} : { efuse: chip });
      await writeExports(files, out, { image: onDisk, stem: basename(path, '.bin'), flash, ...(efuse === undefined ? {} : { efuse }) });
    });
  } catch (error) {
    // The rename may have come through and the sync of the folder not.
    await files.remove(path).catch(() => {});
    if (efuse !== undefined) await files.remove(efusePath(path)).catch(() => {});
    throw error;
  }
  return hashes;
}

function factoryOf({ idScope, endpoint }: Station, { registrationId, serial }: PlannedDevice, credentials: Credentials): FactoryData {
  const factory = { idScope, endpoint, registrationId, serial };
  switch (credentials.kind) {
    case 'x509':
      return factory;
    case 'derived-key':
      return { ...factory, symmetricKey: credentials.key };
    case 'own-keys':
      return { ...factory, symmetricKey: credentials.keys.primary };
  }
}

function secureCertOf({ chainPem, privateKeyPem }: Extract<Credentials, { kind: 'x509' }>, rootPem: string): SecureCert {
  return { caCertificate: rootPem, deviceCertificate: chainPem, privateKey: privateKeyPem };
}
