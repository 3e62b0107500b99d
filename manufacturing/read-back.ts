import { createPrivateKey, hash, type KeyObject, verify, X509Certificate } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { commonName } from '@zerotouch/azure-wire/common-name';
import { FACTORY_PARTITION, type FactoryData, type ForChip, type ImageContents, openImage } from '@zerotouch/flash-image/image';
import { defaultLayout, isNvsKeys, isSecureCert, type Layout, type Partition } from '@zerotouch/flash-image/layout';
import type { SecureCert } from '@zerotouch/flash-image/secure-cert';
import { memoryStorage } from '@zerotouch/flash-image/storage';
import { computePoint } from './device-key.js';
import { ManufacturingFault } from './faults.js';
import { type LeafReading, readLeaf, subjectOf } from './leaf-reading.js';

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
  if (!isSameTable(image.layout, layout)) throw mismatch('partition table', 'the entries differ');
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
  return hashesOf(onDisk, image.layout);
}

/** Layouts that were found to say the same: one table is read for a whole batch. */
const sameTables = new WeakMap<Layout, Layout>();

function isSameTable(read: Layout, intended: Layout): boolean {
  if (sameTables.get(read) === intended) return true;
  if (!isDeepStrictEqual(read.partitions, intended.partitions)) return false;
  sameTables.set(read, intended);
  return true;
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
  if (seen.serverRoots !== expected.serverRoots) throw mismatch('partition fctry', 'the server roots differ');
  for (const field of ['symmetricKey', 'secondaryKey'] as const) {
    const [left, right] = [seen[field], expected[field]];
    if (left === undefined && right === undefined) continue;
    if (left === undefined || right === undefined || !Buffer.from(left).equals(right)) {
      throw mismatch('partition fctry', `the ${field === 'symmetricKey' ? 'symmetric' : 'secondary'} key differs`);
    }
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
  const [leafPem, ...linePems] = splitPem(deviceCertificate);
  if (leafPem === undefined || caCertificate === undefined) throw mismatch(where, 'the chain is not whole');
  const issuers = [...linePems, caCertificate].map(knownAuthority);
  const [first] = issuers;
  if (first === undefined) throw mismatch(where, 'the chain is not whole');
  const der = Buffer.from(leafPem.slice(PEM_HEAD, -PEM_TAIL), 'base64');
  const leaf = readOrRefuse(der, where);
  if (privateKey !== undefined && !isKeyOf(leaf, der, privateKey)) throw mismatch(where, 'the private key does not match the certificate');
  if (leaf.authority) throw mismatch(where, 'the device certificate is one of an authority');
  if (leaf.commonName !== registrationId) {
    throw new ManufacturingFault('READ_BACK', 'the common name is not the registration id', {
      where,
      seen: leaf.commonName,
      expected: JSON.stringify(registrationId),
    });
  }
  if (!isIssuedBy(leaf, der, first)) throw mismatch(where, 'certificate 1 of the chain is not signed by the next');
  for (const [index, issuer] of issuers.entries()) {
    const next = issuers[index + 1];
    if (next !== undefined && !isAuthorisedBy(issuer, next))
      throw mismatch(where, `certificate ${index + 2} of the chain is not signed by the next`);
  }
}

const PEM_HEAD = '-----BEGIN CERTIFICATE-----'.length;
const PEM_TAIL = '-----END CERTIFICATE-----'.length;

function readOrRefuse(der: Buffer, where: string): LeafReading {
  try {
    return readLeaf(der);
  } catch {
    throw mismatch(where, 'the device certificate cannot be read');
  }
}

/** The number of the key gives the point of the certificate: a point that is written beside the number proves nothing. */
function isKeyOf(leaf: LeafReading, der: Buffer, privateKey: string): boolean {
  const point = computePoint(privateKey);
  return point === undefined ? new X509Certificate(der).checkPrivateKey(createPrivateKey(privateKey)) : point.equals(leaf.point);
}

/**
 * The signature decides. OpenSSL's own reading of a certificate costs more than the check itself, so it judges the first of each shape under an
 * authority; the others say the same in other numbers, or they would not be signed.
 */
function isIssuedBy(leaf: LeafReading, der: Buffer, issuer: KnownAuthority): boolean {
  const shape = `${leaf.tbs.length} ${leaf.digest}`;
  if (leaf.digest === undefined || !issuer.judged.has(shape)) {
    const certificate = new X509Certificate(der);
    if (certificate.ca || commonName(certificate) !== leaf.commonName || !isSignedBy(certificate, issuer)) return false;
    issuer.judged.add(shape);
    return true;
  }
  return issuer.certificate.ca && leaf.issuer.equals(issuer.name) && verify(leaf.digest, leaf.tbs, issuer.publicKey, leaf.signature);
}

/** A CA certificate, parsed once for all the images that carry it. */
interface KnownAuthority {
  readonly certificate: X509Certificate;
  readonly publicKey: KeyObject;
  /** Its subject, DER. */
  readonly name: Buffer;
  /** Shapes of leaves that OpenSSL has read and found signed. */
  readonly judged: Set<string>;
  /** Whoever is known to have signed it. */
  readonly signedBy: WeakSet<KnownAuthority>;
}

const AUTHORITIES_KEPT = 64;
const authorities = new Map<string, KnownAuthority>();

function knownAuthority(pem: string): KnownAuthority {
  const known = authorities.get(pem);
  if (known !== undefined) return known;
  const certificate = new X509Certificate(pem);
  const authority: KnownAuthority = {
    certificate,
    publicKey: certificate.publicKey,
    name: subjectOf(certificate.raw),
    judged: new Set(),
    signedBy: new WeakSet(),
  };
  if (authorities.size >= AUTHORITIES_KEPT) authorities.clear();
  authorities.set(pem, authority);
  return authority;
}

function isSignedBy(certificate: X509Certificate, { certificate: issuer, publicKey }: KnownAuthority): boolean {
  return issuer.ca && certificate.checkIssued(issuer) && certificate.verify(publicKey);
}

function isAuthorisedBy(authority: KnownAuthority, issuer: KnownAuthority): boolean {
  if (authority.signedBy.has(issuer)) return true;
  if (!isSignedBy(authority.certificate, issuer)) return false;
  authority.signedBy.add(issuer);
  return true;
}

/** Whether nobody writes to a partition after the factory did, whatever its flag says. */
export function isFactoryOwned(partition: Partition): boolean {
  const { name, readOnly } = partition;
  return readOnly || name === FACTORY_PARTITION || isSecureCert(partition) || isNvsKeys(partition);
}

function hashesOf(onDisk: Buffer, { partitions }: Layout): PartitionHashes {
  const owned = partitions.filter(isFactoryOwned);
  return Object.fromEntries(owned.map(({ name, offset, size }) => [name, hash('sha256', onDisk.subarray(offset, offset + size))]));
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
