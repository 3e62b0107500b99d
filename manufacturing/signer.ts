import { type KeyObject, sign, webcrypto } from 'node:crypto';

/** How a CA signs: by the kind of its key. */
export type SignatureAlgorithm = 'ecdsa-sha256' | 'ecdsa-sha384' | 'rsa-sha256';

/** A key that signs certificates, wherever it is kept: in memory, or in a token that never lets go of it. */
export interface Signer {
  readonly algorithm: SignatureAlgorithm;
  /** The signature over the bytes, as a certificate carries it: ECDSA in DER, RSA by PKCS #1 v1.5. */
  sign(bytes: Uint8Array): Buffer | Promise<Buffer>;
}

const digests = { 'ecdsa-sha256': 'sha256', 'ecdsa-sha384': 'sha384', 'rsa-sha256': 'sha256' } as const;

/** The name of the digest an algorithm signs. */
export function digestOf(algorithm: SignatureAlgorithm): 'sha256' | 'sha384' {
  return digests[algorithm];
}

/** What a key signs with, `undefined` for a kind that Azure takes no certificates of: anything but P-256, P-384 and RSA from 2048 bits. */
export function algorithmOf(key: KeyObject): SignatureAlgorithm | undefined {
  const { namedCurve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'rsa') return modulusLength >= 2048 ? 'rsa-sha256' : undefined;
  if (key.asymmetricKeyType !== 'ec') return undefined;
  return namedCurve === 'prime256v1' ? 'ecdsa-sha256' : namedCurve === 'secp384r1' ? 'ecdsa-sha384' : undefined;
}

/** A private key in memory; `undefined` for one that {@link algorithmOf} does not take. */
export function keySigner(key: KeyObject): Signer | undefined {
  const algorithm = algorithmOf(key);
  if (algorithm === undefined) return undefined;
  const digest = digests[algorithm];
  return { algorithm, sign: (bytes) => sign(digest, bytes, key) };
}

/** The same for the library that lays out certificates: parameters, and a key that is thrown away after each process. */
export const libraryAlgorithms = {
  'ecdsa-sha256': { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  'ecdsa-sha384': { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' },
  'rsa-sha256': { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1) },
} as const;

const stand: Partial<Record<SignatureAlgorithm, Promise<webcrypto.CryptoKey>>> = {};

/** A key of the algorithm that stands in while a certificate is laid out; what it signs is replaced. */
export function standIn(algorithm: SignatureAlgorithm): Promise<webcrypto.CryptoKey> {
  stand[algorithm] ??= webcrypto.subtle
    .generateKey(libraryAlgorithms[algorithm], false, ['sign', 'verify'])
    .then((pair) => (pair as webcrypto.CryptoKeyPair).privateKey);
  return stand[algorithm];
}
