import 'reflect-metadata';
import { generateKeyPair, type KeyObject, webcrypto, X509Certificate } from 'node:crypto';
import { promisify } from 'node:util';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  X509Certificate as ParsedCertificate,
  PublicKey,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';
import type { Entropy } from '@zerotouch/foundation/entropy';

const ECDSA = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** From when to when a certificate is good; whole seconds. */
export interface Validity {
  notBefore: Date;
  notAfter: Date;
}

/** A P-256 key pair. */
export interface KeyPair {
  privateKey: KeyObject;
  publicKey: KeyObject;
}

/** Who signs: a certificate with its key, ready for use. */
export interface Issuer {
  certificate: X509Certificate;
  /** PEM, ending in a newline. */
  pem: string;
  /** The subject, as it goes into what is issued. */
  name: Name;
  /** Its subject key identifier, hexadecimal. */
  keyId: string;
  signingKey: webcrypto.CryptoKey;
}

/** What to certify; see {@link issueCertificate}. */
export interface CertificateRequest {
  commonName: string;
  /** SubjectPublicKeyInfo, DER. */
  publicKey: Buffer;
  /** 16 bytes from {@link drawSerialNumber}. */
  serialNumber: Buffer;
  validity: Validity;
  /** `undefined`: an end entity. `{}`: a CA. `{ pathLength: 0 }`: a CA of leaves only. */
  authority?: { pathLength?: number };
  /** Extensions beside basic constraints, key usage and key identifiers. */
  extensions?: Extension[];
}

/** A new P-256 key pair. */
export async function makeKeyPair(): Promise<KeyPair> {
  return await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' });
}

/** A private key as PEM (PKCS #8). Secret. */
export function privateKeyPem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** SubjectPublicKeyInfo, DER. */
export function publicKeyBytes(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' });
}

/** A serial number: 16 random bytes, positive and never shorter. Source: RFC 5280, 4.1.2.2. */
export function drawSerialNumber(entropy: Entropy): Buffer {
  const bytes = entropy.bytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes;
}

/**
 * A certificate, signed with ECDSA and SHA-256; as PEM that ends in a newline.
 */
export async function issueCertificate(
  request: CertificateRequest,
  issuer: Pick<Issuer, 'name' | 'keyId' | 'signingKey'>,
): Promise<string> {
  const { authority, validity } = request;
  const usages = authority === undefined ? KeyUsageFlags.digitalSignature : KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign;
  const publicKey = new PublicKey(request.publicKey);
  const certificate = await X509CertificateGenerator.create({
    serialNumber: request.serialNumber.toString('hex'),
    subject: nameOf(request.commonName),
    issuer: issuer.name,
    ...validity,
    publicKey,
    signingKey: issuer.signingKey,
    signingAlgorithm: ECDSA,
    extensions: [
      new BasicConstraintsExtension(authority !== undefined, authority?.pathLength, true),
      new KeyUsagesExtension(usages, true),
      ...(request.extensions ?? []),
      await SubjectKeyIdentifierExtension.create(publicKey),
      new AuthorityKeyIdentifierExtension(issuer.keyId),
    ],
  });
  return `${certificate.toString('pem')}\n`;
}

/** A certificate that a key signs for itself: a root. */
export async function selfSign(request: CertificateRequest, key: KeyObject): Promise<string> {
  const { keyId } = await SubjectKeyIdentifierExtension.create(new PublicKey(request.publicKey));
  return issueCertificate(request, { name: nameOf(request.commonName), keyId, signingKey: await signingKeyOf(key) });
}

/** A certificate and its P-256 key as an issuer; that they belong together is the caller's to check. */
export async function issuerOf(pem: string, key: KeyObject): Promise<Issuer> {
  const parsed = new ParsedCertificate(pem);
  const own = parsed.getExtension(SubjectKeyIdentifierExtension) ?? (await SubjectKeyIdentifierExtension.create(parsed.publicKey));
  return { certificate: new X509Certificate(pem), pem, name: parsed.subjectName, keyId: own.keyId, signingKey: await signingKeyOf(key) };
}

/** The common name of a certificate's subject; empty where it has none. */
export function commonNameOf(certificate: X509Certificate): string {
  return /^CN=(.*)$/m.exec(certificate.subject)?.[1] ?? '';
}

function nameOf(commonName: string): Name {
  return new Name([{ CN: [commonName] }]);
}

async function signingKeyOf(key: KeyObject): Promise<webcrypto.CryptoKey> {
  return webcrypto.subtle.importKey('pkcs8', key.export({ type: 'pkcs8', format: 'der' }), ECDSA, false, ['sign']);
}
