import type { KeyObject } from 'node:crypto';
import type { CertificateFacts } from './certificate-facts.js';
import type { Tell } from './findings.js';
import type { ImageFacts } from './image-facts.js';

const KEY_WHERE = 'partition esp_secure_cert, private key';
const SECRET_WHERE = 'partition fctry, dps/sym_key';
/** Bytes of a symmetric key that DPS takes. Source: iot-dps/concepts-symmetric-key-attestation. */
const SECRET_BYTES = { least: 16, most: 64 } as const;
const RSA_BITS_LEAST = 2048;

/** What is wrong with the keys of an image by themselves. */
export function checkKeys(
  { factory, certificates }: ImageFacts,
  identity: CertificateFacts | undefined,
  known: { tpm: boolean; elsewhere: boolean },
  tell: Tell,
): void {
  const secret = factory?.symmetricKey;
  const certified = certificates?.device !== undefined;
  if (factory !== undefined && certificates !== undefined && !certified && secret === undefined && !known.tpm)
    tell('CREDENTIALS_MISSING', 'image');
  if (certified && certificates.keyless === true && !known.elsewhere) tell('KEY_MISSING', 'partition esp_secure_cert');
  if (certified && secret !== undefined) tell('CREDENTIALS_TWICE', SECRET_WHERE);
  if (secret !== undefined) checkSecret(secret, tell);
  if (identity?.key === undefined) return;
  const { leaf, chain, ca, key } = identity;
  if (!leaf.checkPrivateKey(key)) tell('KEY_MISMATCH', KEY_WHERE);
  const issuers = [...chain.slice(1), ...(ca === undefined ? [] : [ca])];
  if (issuers.some((issuer) => issuer.ca && issuer.checkPrivateKey(key))) tell('ISSUER_KEY_IN_IMAGE', KEY_WHERE);
  const weakness = weaknessOf(key);
  if (weakness !== undefined) tell('KEY_WEAK', KEY_WHERE, weakness);
}

function checkSecret(secret: Uint8Array, tell: Tell): void {
  if (secret.length < SECRET_BYTES.least || secret.length > SECRET_BYTES.most) tell('KEY_WEAK', SECRET_WHERE, `${secret.length} bytes`);
  const bytes = Buffer.from(secret);
  const printable = bytes.every((byte) => byte >= 0x20 && byte < 0x7f);
  const steps = new Set(bytes.subarray(1).map((byte, index) => (byte - (bytes[index] ?? 0)) & 0xff));
  // 16 random bytes have fewer than 8 distinct values, or steps, once in about 10^9.
  const few = Math.min(8, secret.length);
  if (secret.length > 0 && (printable || new Set(bytes).size < few || steps.size < few - 1)) tell('SECRET_DEFAULT', SECRET_WHERE);
}

function weaknessOf(key: KeyObject): string | undefined {
  const { modulusLength } = key.asymmetricKeyDetails ?? {};
  if (modulusLength !== undefined) return modulusLength < RSA_BITS_LEAST ? `RSA of ${modulusLength} bits` : undefined;
  if (key.asymmetricKeyType !== 'ec') return undefined;
  const { d = '' } = key.export({ format: 'jwk' });
  const scalar = Buffer.from(d, 'base64url');
  return scalar.subarray(0, 8).every((byte) => byte === 0) ? 'its number is tiny' : undefined;
}
