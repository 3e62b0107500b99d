import { createHash } from 'node:crypto';
import { decodeFactory, type FactoryData } from '@zerotouch/flash-image/factory';
import {
  DEVICE_PARTITION,
  FACTORY_PARTITION,
  type ImageEncryption,
  placeOf,
  readLayout,
  readNvsKeys,
  readPartition,
} from '@zerotouch/flash-image/image';
import { findPartition, isSecureCert, type Layout, type Partition } from '@zerotouch/flash-image/layout';
import { inspectNvs } from '@zerotouch/flash-image/nvs/read';
import { plainValue } from '@zerotouch/flash-image/secure-cert';
import { memoryStorage, type Storage } from '@zerotouch/flash-image/storage';
import { decodeTlvs, tlvType } from '@zerotouch/flash-image/tlv';
import { isFault } from '@zerotouch/foundation/fault';
import { isFactoryOwned } from '../read-back.js';
import type { Tell } from './findings.js';

/** A file as the audit was handed it. */
export interface ImageFile {
  /** As the user named it, or as the batch has it. */
  path: string;
  bytes: Buffer;
  /** Permission bits. */
  mode: number;
  /** Contents of the eFuse file beside it. Secret. */
  efuse?: Buffer | undefined;
}

/** PEM texts of esp_secure_cert, as they are: nothing about them is checked yet. The key is secret. */
export interface CertificateTexts {
  ca?: string;
  device?: string;
  key?: string;
  /** There is no TLV for a key: it is kept elsewhere, or was forgotten. */
  keyless?: true;
}

/** What an image tells, each part by itself: damage in one does not hide the others. */
export interface ImageFacts {
  file: ImageFile;
  layout: Layout;
  /** `undefined` where it cannot be read. */
  factory: FactoryData | undefined;
  /** `undefined` where the partition is damaged; empty where it is erased. */
  certificates: CertificateTexts | undefined;
  encryption: 'none' | ImageEncryption['scheme'];
  /** Whether a device has written to its own partition. */
  fielded: boolean;
  /** SHA-256 of each partition that only the factory writes, by name; lower-case hexadecimal. */
  hashes: Record<string, string>;
}

/** Reads an image; what cannot be read is told. `undefined` where there is nothing to look into. */
export function readFacts(file: ImageFile, tell: Tell): ImageFacts | undefined {
  const storage = memoryStorage(file.bytes);
  const layout = attempt(tell, 'IMAGE_UNREADABLE', 'image', () => readLayout(storage));
  if (layout === undefined) return undefined;
  const found = attempt(tell, 'IMAGE_UNREADABLE', 'NVS keys', () =>
    readNvsKeys(storage, layout, file.efuse === undefined ? {} : { efuse: file.efuse }),
  );
  const keys = found?.keys;
  const factory = attempt(tell, 'FACTORY_DAMAGED', `partition ${FACTORY_PARTITION}`, () => {
    const partition = findPartition(layout, FACTORY_PARTITION);
    return decodeFactory(readPartition(storage, partition), placeOf(partition), keys);
  });
  const cert = layout.partitions.find(isSecureCert);
  const certificates = cert === undefined ? {} : readTexts(storage, cert, file.efuse, tell);
  const fielded = attempt(tell, 'IMAGE_UNREADABLE', `partition ${DEVICE_PARTITION}`, () => {
    const partition = findPartition(layout, DEVICE_PARTITION);
    const bytes = readPartition(storage, partition);
    if (isErased(bytes)) return false;
    const damage = attempt(tell, 'NVS_DAMAGED', `partition ${DEVICE_PARTITION}`, () => inspectNvs(bytes, placeOf(partition), keys).damage);
    const [first] = damage ?? [];
    if (first !== undefined) tell('NVS_DAMAGED', first.where ?? `partition ${DEVICE_PARTITION}`, first.message);
    return true;
  });
  return {
    file,
    layout,
    encryption: found?.scheme ?? 'none',
    factory,
    certificates,
    fielded: fielded ?? false,
    hashes: hashesOf(storage, layout),
  };
}

/** Erased flash to compare with; partitions are compared piece by piece. */
const ERASED = Buffer.alloc(0x10000, 0xff);

/** Whether every byte is FF. */
export function isErased(bytes: Uint8Array): boolean {
  for (let start = 0; start < bytes.length; start += ERASED.length) {
    const piece = bytes.subarray(start, start + ERASED.length);
    if (ERASED.compare(piece, 0, piece.length, 0, piece.length) !== 0) return false;
  }
  return true;
}

function readTexts(storage: Storage, partition: Partition, efuse: Buffer | undefined, tell: Tell): CertificateTexts | undefined {
  const where = `partition ${partition.name}`;
  return attempt(tell, 'CERTIFICATES_DAMAGED', where, () => {
    const place = placeOf(partition);
    const tlvs = decodeTlvs(readPartition(storage, partition), place);
    if (tlvs.length > 0 && !tlvs.some(({ type }) => type === tlvType.integrity)) {
      tell('CERTIFICATES_DAMAGED', where, 'the integrity hash is missing: the write was cut off');
    }
    const text = (type: number): string | undefined => {
      const tlv = tlvs.find((candidate) => candidate.type === type && candidate.subtype === 0);
      if (tlv === undefined) return undefined;
      const value = attempt(tell, 'CERTIFICATES_DAMAGED', where, () => plainValue(tlv, place, efuse));
      return value?.toString('latin1', 0, value.at(-1) === 0 ? value.length - 1 : value.length);
    };
    const found = { ca: text(tlvType.caCertificate), device: text(tlvType.deviceCertificate), key: text(tlvType.privateKey) };
    const keyless = !tlvs.some(({ type }) => type === tlvType.privateKey);
    return { ...Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined)), ...(keyless ? { keyless } : {}) };
  });
}

// What the manifest covers is what the burn took for its own: the flag of a partition is the user's, and may be missing.
function hashesOf(storage: Storage, layout: Layout): Record<string, string> {
  const whole = layout.partitions.filter((one) => isFactoryOwned(one) && one.offset + one.size <= storage.size);
  return Object.fromEntries(
    whole.map((partition) => [partition.name, createHash('sha256').update(readPartition(storage, partition)).digest('hex')]),
  );
}

function attempt<T>(
  tell: Tell,
  code: 'IMAGE_UNREADABLE' | 'FACTORY_DAMAGED' | 'CERTIFICATES_DAMAGED' | 'NVS_DAMAGED',
  where: string,
  read: () => T,
): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!isFault(error)) throw error;
    const encrypted = error.code === 'NVS_ENCRYPTED' || error.code === 'CERT_ENCRYPTED';
    tell(encrypted ? 'EFUSE_MISSING' : code, error.where ?? where, error.message);
    return undefined;
  }
}
