import { createHash, X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { deriveDeviceKey } from '@zerotouch/azure-wire/keys';
import { openImage } from '@zerotouch/flash-image/image';
import { memoryStorage } from '@zerotouch/flash-image/storage';
import type { Ledger } from '@zerotouch/manufacturing/ledger/ledger';
import { enrolmentsIn, manifestIn } from './workbench.js';

/**
 * What is wrong with a batch that ought to be burnt: images, ledger, manifest and enrolments must tell the same story, each device once. Empty
 * where all is well.
 */
export async function batchProblems(out: string, ledger: Ledger, batch: string, count: number): Promise<string[]> {
  const problems: string[] = [];
  const expect = (holds: boolean, what: string): void => {
    if (!holds) problems.push(what);
  };
  const record = await ledger.batch(batch);
  expect(record?.state === 'complete', `the batch is ${record?.state}`);
  const names = readdirSync(join(out, 'images')).sort();
  expect(names.length === count, `${names.length} files in images/: ${names.filter((name) => !/^[^.].*\.bin$/.test(name)).join()}`);
  const manifest = manifestIn(out);
  const enrolments = enrolmentsIn(out);
  const own = new Map(enrolments.enrollments.map((enrolment) => [enrolment.registrationId, enrolment]));
  expect(own.size === enrolments.enrollments.length, 'an enrolment is there twice');
  const seen = { keys: new Set<string>(), serials: new Set<string>(), position: 0 };
  for await (const device of ledger.devices(batch)) {
    const { registrationId, identity } = device;
    const wrong = (what: string): void => void problems.push(`${registrationId}: ${what}`);
    expect(device.position === seen.position, `${registrationId} is at ${device.position}`);
    const entry = manifest.devices[seen.position++];
    if (device.state !== 'verified' || identity?.status !== 'burnt') wrong(`${device.state}, identity ${identity?.status}`);
    if (entry?.registrationId !== registrationId) wrong(`the manifest has ${entry?.registrationId} in its place`);
    const used = (await ledger.identities(registrationId)).filter(({ status }) => status !== 'void');
    if (used.length !== 1) wrong(`${used.length} identities that are not void`);
    const bytes = readFileSync(join(out, entry?.image ?? ''));
    const { layout, factory, secureCert, partitionBytes } = openImage(memoryStorage(bytes));
    if (factory.registrationId !== registrationId || factory.serial !== device.serial)
      wrong(`the image is that of ${factory.registrationId}`);
    const hashes = Object.fromEntries(
      layout.partitions
        .filter(({ readOnly }) => readOnly)
        .map(({ name }) => [name, createHash('sha256').update(partitionBytes(name)).digest('hex')]),
    );
    if (!isDeepStrictEqual(hashes, identity?.partitions)) wrong('the image is not the one of the ledger');
    if (!isDeepStrictEqual(hashes, entry?.partitions)) wrong('the image is not the one of the manifest');
    let secret: string;
    if (secureCert === undefined) {
      secret = Buffer.from(factory.symmetricKey ?? []).toString('base64');
      const group = enrolments.enrollmentGroups.find(({ enrollmentGroupId }) => enrollmentGroupId === device.enrolmentGroup)?.attestation;
      const enrolled = own.get(registrationId)?.attestation;
      const expected =
        group?.type === 'symmetricKey'
          ? deriveDeviceKey(Buffer.from(group.symmetricKey.primaryKey ?? '', 'base64'), registrationId).toString('base64')
          : enrolled?.type === 'symmetricKey'
            ? enrolled.symmetricKey.primaryKey
            : 'none';
      if (secret !== expected) wrong('its key is not the one that is enrolled');
    } else {
      const leaf = new X509Certificate(secureCert.deviceCertificate);
      secret = secureCert.privateKey ?? leaf.publicKey.export({ type: 'spki', format: 'pem' }).toString();
      if (leaf.serialNumber !== identity?.certificateSerial) wrong('the certificate is not the one of the ledger');
      if (seen.serials.has(leaf.serialNumber)) wrong('its certificate serial is there twice');
      seen.serials.add(leaf.serialNumber);
      const enrolled = own.get(registrationId)?.attestation;
      const certificate = enrolled?.type === 'x509' ? enrolled.x509.clientCertificates?.primary?.certificate : undefined;
      if (device.enrolment === 'individual' && certificate !== leaf.toString()) wrong('the certificate is not the one that is enrolled');
    }
    if (seen.keys.has(secret)) wrong('its key is there twice');
    seen.keys.add(secret);
  }
  expect(seen.position === count, `${seen.position} rows in the ledger`);
  expect(manifest.devices.length === count, `${manifest.devices.length} devices in the manifest`);
  return problems;
}
