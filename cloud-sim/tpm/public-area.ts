import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { ByteReader } from './bytes.js';

/** Algorithm identifiers. Source: TCG Algorithm Registry. */
export const ALG = { rsa: 0x0001, hmac: 0x0005, aes: 0x0006, keyedHash: 0x0008, sha256: 0x000b, null: 0x0010 } as const;

const HASHES: ReadonlyMap<number, string> = new Map([
  [0x0004, 'sha1'],
  [ALG.sha256, 'sha256'],
  [0x000c, 'sha384'],
  [0x000d, 'sha512'],
]);
const RSA_BITS = [2048, 3072, 4096];
const DEFAULT_EXPONENT = 65_537;

/** A storage key of a TPM, as far as something is encrypted to it: its public half, and how it protects its children. */
export interface StorageKey {
  /** Identifies the key: its name algorithm and the digest of its public area. */
  name: Buffer;
  /** As node:crypto calls it. */
  hash: string;
  key: KeyObject;
  /** Of the AES key that it protects its children with. */
  symmetricBits: number;
}

/**
 * The name of an object. Source: TPM 2.0 Library, part 1, section 16 (names).
 * @param publicArea TPMT_PUBLIC
 */
export function nameOf(publicArea: Uint8Array, algorithm: number): Buffer {
  const head = Buffer.alloc(2);
  head.writeUInt16BE(algorithm);
  return Buffer.concat([head, createHash(hashOf(algorithm)).update(publicArea).digest()]);
}

/**
 * Reads the public area of a storage key (endorsement key, storage root key), with or without the size before it.
 * Source: TPM 2.0 Library, part 2, section 12.2 (TPMT_PUBLIC).
 * @throws Error naming what is not as it must be
 */
export function readStorageKey(bytes: Uint8Array): StorageKey {
  const given = Buffer.from(bytes);
  const sized = given.length > 2 && given.readUInt16BE(0) === given.length - 2;
  const area = sized ? given.subarray(2) : given;
  const reader = new ByteReader(area);
  if (reader.uint16() !== ALG.rsa) throw new Error('a public area is of no RSA key');
  const nameAlgorithm = reader.uint16();
  reader.skip(4);
  reader.sized();
  const symmetricBits = readSymmetric(reader);
  if (reader.uint16() !== ALG.null) throw new Error('a public area is of no storage key: it has a scheme');
  const bits = reader.uint16();
  const exponent = reader.uint32() || DEFAULT_EXPONENT;
  const modulus = reader.sized();
  if (reader.left > 0) throw new Error('a public area is longer than it says');
  if (!RSA_BITS.includes(bits) || modulus.length !== bits / 8) throw new Error(`a public area is of an RSA key of ${bits} bits`);
  return { name: nameOf(area, nameAlgorithm), hash: hashOf(nameAlgorithm), key: rsaKey(modulus, exponent), symmetricBits };
}

function readSymmetric(reader: ByteReader): number {
  if (reader.uint16() !== ALG.aes) throw new Error('a public area is of no storage key: it has no AES');
  const bits = reader.uint16();
  reader.skip(2);
  if (bits !== 128 && bits !== 256) throw new Error(`a public area has AES of ${bits} bits`);
  return bits;
}

function hashOf(algorithm: number): string {
  const hash = HASHES.get(algorithm);
  if (hash === undefined) throw new Error(`a public area has the unknown name algorithm ${algorithm}`);
  return hash;
}

function rsaKey(modulus: Buffer, exponent: number): KeyObject {
  const e = Buffer.alloc(4);
  e.writeUInt32BE(exponent);
  return createPublicKey({
    key: { kty: 'RSA', n: modulus.toString('base64url'), e: e.subarray(e.findIndex((byte) => byte !== 0)).toString('base64url') },
    format: 'jwk',
  });
}
