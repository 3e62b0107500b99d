import 'reflect-metadata';
import { generateKeyPair, type KeyObject, X509Certificate } from 'node:crypto';
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
import { certificatePem, joinCertificate, signedPartsOf } from './der.js';
import type { KeyKind } from './key-kinds.js';
import { keySigner, libraryAlgorithms, type Signer, standIn } from './signer.js';

export type { KeyKind } from './key-kinds.js';

/** From when to when a certificate is good; whole seconds. */
export interface Validity {
  notBefore: Date;
  notAfter: Date;
}

/** A key pair. */
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
  /** How many CAs may stand below it; `undefined`: any number. */
  pathLength: number | undefined;
  signer: Signer;
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

/** A new key pair; P-256 unless another kind is asked for. */
export async function makeKeyPair(kind: KeyKind = 'p256'): Promise<KeyPair> {
  if (kind === 'rsa2048') return await promisify(generateKeyPair)('rsa', { modulusLength: 2048 });
  return await promisify(generateKeyPair)('ec', { namedCurve: kind === 'p256' ? 'P-256' : 'P-384' });
}

/** A private key as PEM (PKCS #8), encrypted (AES-256) where there is a passphrase. Secret. */
export function privateKeyPem(key: KeyObject, passphrase?: string): string {
  const encryption = passphrase === undefined ? {} : { cipher: 'aes-256-cbc', passphrase };
  return key.export({ type: 'pkcs8', format: 'pem', ...encryption }).toString();
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

/** A certificate, as PEM that ends in a newline. */
export async function issueCertificate(request: CertificateRequest, issuer: Pick<Issuer, 'name' | 'keyId' | 'signer'>): Promise<string> {
  const { tbs, algorithm } = signedPartsOf(await layOut(request, issuer));
  return certificatePem(joinCertificate(tbs, algorithm, await issuer.signer.sign(tbs)));
}

/**
 * A certificate as the library lays it out, DER, right but for its signature, which is that of a stand-in: the issuer's key may be
 * where the library cannot reach it.
 */
export async function layOut(request: CertificateRequest, issuer: Pick<Issuer, 'name' | 'keyId' | 'signer'>): Promise<Buffer> {
  const { authority, validity } = request;
  const usages = authority === undefined ? KeyUsageFlags.digitalSignature : KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign;
  const publicKey = new PublicKey(request.publicKey);
  const certificate = await X509CertificateGenerator.create({
    serialNumber: request.serialNumber.toString('hex'),
    subject: nameOf(request.commonName),
    issuer: issuer.name,
    ...validity,
    publicKey,
    signingKey: await standIn(issuer.signer.algorithm),
    signingAlgorithm: libraryAlgorithms[issuer.signer.algorithm],
    extensions: [
      new BasicConstraintsExtension(authority !== undefined, authority?.pathLength, true),
      new KeyUsagesExtension(usages, true),
      ...(request.extensions ?? []),
      await SubjectKeyIdentifierExtension.create(publicKey),
      new AuthorityKeyIdentifierExtension(issuer.keyId),
    ],
  });
  return Buffer.from(certificate.rawData);
}

/** A certificate that a key signs for itself: a root. */
export async function selfSign(request: CertificateRequest, key: KeyObject | Signer): Promise<string> {
  const { keyId } = await SubjectKeyIdentifierExtension.create(new PublicKey(request.publicKey));
  return issueCertificate(request, { name: nameOf(request.commonName), keyId, signer: 'sign' in key ? key : signerOf(key) });
}

/** A certificate and its key (or what signs with it) as an issuer; that they belong together is the caller's to check. */
export async function issuerOf(pem: string, key: KeyObject | Signer): Promise<Issuer> {
  const parsed = new ParsedCertificate(pem);
  const own = parsed.getExtension(SubjectKeyIdentifierExtension) ?? (await SubjectKeyIdentifierExtension.create(parsed.publicKey));
  return {
    certificate: new X509Certificate(pem),
    pem,
    name: parsed.subjectName,
    keyId: own.keyId,
    pathLength: parsed.getExtension(BasicConstraintsExtension)?.pathLength,
    signer: 'sign' in key ? key : signerOf(key),
  };
}

function nameOf(commonName: string): Name {
  return new Name([{ CN: [commonName] }]);
}

function signerOf(key: KeyObject): Signer {
  const signer = keySigner(key);
  if (signer === undefined) throw new TypeError('the key is of a kind that cannot sign certificates');
  return signer;
}
