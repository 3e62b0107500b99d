import { join } from 'node:path';
import type { IndividualEnrolment } from '@zerotouch/azure-wire/enrolment';
import { composeImage, type FactoryData } from '@zerotouch/flash-image/image';
import type { SecureCert } from '@zerotouch/flash-image/secure-cert';
import type { Entropy } from '@zerotouch/foundation/entropy';
import { type CredentialSource, type Credentials, makeCredentials } from './credentials.js';
import { enrolIndividually } from './enrol.js';
import { ManufacturingFault } from './faults.js';
import { type Files, MODE, writeDurably } from './files.js';
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
  const credentials = await makeCredentials(device, source, station.entropy);
  const image = imageName(device.registrationId);
  const partitions = await burnImage(station, join(station.out, image), {
    factory: factoryOf(station, device, credentials),
    ...(credentials.kind === 'x509' && source.kind === 'line' ? { secureCert: secureCertOf(credentials, source.rootPem) } : {}),
    forbidden: source.kind === 'group-keys' ? [source.keys.primary, source.keys.secondary] : [],
  });
  const manifest = manifestDevice(device, image, partitions, credentials.kind === 'x509' ? credentials.leaf : undefined);
  if (device.group.enrolment === 'group' || credentials.kind === 'derived-key') return { manifest };
  return { manifest, enrolment: enrolIndividually(device, credentials) };
}

/** What goes into one image, and what must not. */
interface BurnOrder {
  factory: FactoryData;
  secureCert?: SecureCert;
  /** Secret. */
  forbidden: readonly Buffer[];
}

async function burnImage({ files }: Station, path: string, { forbidden, ...contents }: BurnOrder): Promise<PartitionHashes> {
  const image = composeImage(contents);
  let hashes: PartitionHashes = {};
  try {
    await writeDurably(files, path, image, MODE.secret, async (temporary) => {
      const onDisk = await files.read(temporary);
      if (onDisk === undefined) {
        throw new ManufacturingFault('READ_BACK', 'the file is gone', { where: temporary, expected: 'what was burnt' });
      }
      hashes = readBack(onDisk, { image, forbidden, ...contents });
    });
  } catch (error) {
    // The rename may have come through and the sync of the folder not.
    await files.remove(path).catch(() => {});
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
