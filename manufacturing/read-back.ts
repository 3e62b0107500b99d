import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import {
  FACTORY_PARTITION,
  type FactoryData,
  type FlashImage,
  type ForChip,
  type ImageContents,
  openImage,
} from '@zerotouch/flash-image/image';
import { defaultLayout, isNvsKeys, isSecureCert, type Partition } from '@zerotouch/flash-image/layout';
import type { SecureCert } from '@zerotouch/flash-image/secure-cert';
import { memoryStorage } from '@zerotouch/flash-image/storage';
import { commonNameOf } from './certificates.js';
import { ManufacturingFault } from './faults.js';

/** What an image was meant to be. */
export interface Intended extends Pick<ImageContents, 'layout' | 'factory' | 'secureCert'> {
  /** The bytes that were composed. */
  image: Buffer;
  /** Keys that no image may hold: those of the enrolment group. Secret. */
  forbidden: readonly Buffer[];
}

/** SHA-256 of each read-only partition, lower-case hexadecimal, by name. */
export type PartitionHashes = Record<string, string>;

/**
 * Opens what is on the disk as a device would and compares it with what was intended: partition table, factory data, certificates, chain, key,
 * and last every byte. What was encrypted for a chip is decrypted with its eFuse as it lies on the disk.
 * @throws ManufacturingFault READ_BACK; ImageFault where the image cannot even be opened. No secret is in either.
 */
export function readBack(onDisk: Buffer, intended: Intended, chip: ForChip = {}): PartitionHashes {
  const image = openImage(memoryStorage(onDisk), chip);
  const { layout = defaultLayout } = intended;
  if (!isDeepStrictEqual(image.layout.partitions, layout.partitions)) throw mismatch('partition table', 'the entries differ');
  compareFactory(image.factory, intended.factory);
  compareSecureCert(image.secureCert, intended.secureCert);
  if (image.secureCert !== undefined) checkIdentity(image.secureCert, intended.factory.registrationId);
  for (const key of intended.forbidden) {
    if (image.factory.symmetricKey !== undefined && key.equals(image.factory.symmetricKey))
      throw mismatch('partition fctry', 'it holds the key of the enrolment group');
    if (onDisk.includes(key) || onDisk.includes(key.toString('base64'))) throw mismatch('image', 'it holds the key of the enrolment group');
  }
  if (!onDisk.equals(intended.image))
    throw mismatch(`offset 0x${firstDifference(onDisk, intended.image).toString(16)}`, 'the bytes differ');
  return hashesOf(image);
}

function compareFactory(seen: FactoryData, expected: FactoryData): void {
  for (const field of ['idScope', 'endpoint', 'registrationId', 'serial'] as const) {
    if (seen[field] === expected[field]) continue;
    throw new ManufacturingFault('READ_BACK', `the value of ${field} differs`, {
      where: 'partition fctry',
      seen: seen[field],
      expected: JSON.stringify(expected[field]),
    });
  }
  const [left, right] = [seen.symmetricKey, expected.symmetricKey];
  if (left === undefined && right === undefined) return;
  if (left === undefined || right === undefined || !Buffer.from(left).equals(right)) {
    throw mismatch('partition fctry', 'the symmetric key differs');
  }
}

function compareSecureCert(seen: SecureCert | undefined, expected: SecureCert | undefined): void {
  const where = 'partition esp_secure_cert';
  if ((seen === undefined) !== (expected === undefined)) {
    throw mismatch(where, seen === undefined ? 'the certificate is missing' : 'there is a certificate where none belongs');
  }
  if (seen?.caCertificate !== expected?.caCertificate) throw mismatch(where, 'the CA certificate differs');
  if (seen?.deviceCertificate !== expected?.deviceCertificate) throw mismatch(where, 'the device certificate differs');
  if (seen?.privateKey !== expected?.privateKey) throw mismatch(where, 'the private key differs');
}

// Independent of what was intended: what is burnt must hold together by itself.
function checkIdentity({ caCertificate, deviceCertificate, privateKey }: SecureCert, registrationId: string): void {
  const where = 'partition esp_secure_cert';
  const chain = splitPem(deviceCertificate).map((pem) => new X509Certificate(pem));
  const [leaf] = chain;
  if (leaf === undefined || caCertificate === undefined) throw mismatch(where, 'the chain is not whole');
  if (!leaf.checkPrivateKey(createPrivateKey(privateKey))) throw mismatch(where, 'the private key does not match the certificate');
  if (leaf.ca) throw mismatch(where, 'the device certificate is one of an authority');
  if (commonNameOf(leaf) !== registrationId) {
    throw new ManufacturingFault('READ_BACK', 'the common name is not the registration id', {
      where,
      seen: commonNameOf(leaf),
      expected: JSON.stringify(registrationId),
    });
  }
  const issuers = [...chain.slice(1), new X509Certificate(caCertificate)];
  for (const [index, certificate] of chain.entries()) {
    const issuer = issuers[index];
    if (issuer?.ca !== true || !certificate.checkIssued(issuer) || !certificate.verify(issuer.publicKey)) {
      throw mismatch(where, `certificate ${index + 1} of the chain is not signed by the next`);
    }
  }
}

/** Whether nobody writes to a partition after the factory did, whatever its flag says. */
export function isFactoryOwned(partition: Partition): boolean {
  const { name, readOnly } = partition;
  return readOnly || name === FACTORY_PARTITION || isSecureCert(partition) || isNvsKeys(partition);
}

function hashesOf({ layout, partitionBytes }: FlashImage): PartitionHashes {
  const readOnly = layout.partitions.filter(isFactoryOwned);
  return Object.fromEntries(readOnly.map(({ name }) => [name, createHash('sha256').update(partitionBytes(name)).digest('hex')]));
}

function splitPem(text: string): string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}

function firstDifference(a: Buffer, b: Buffer): number {
  const length = Math.min(a.length, b.length);
  for (let offset = 0; offset < length; offset++) if (a[offset] !== b[offset]) return offset;
  return length;
}

function mismatch(where: string, what: string): ManufacturingFault {
  return new ManufacturingFault('READ_BACK', what, { where, expected: 'what was burnt' });
}
