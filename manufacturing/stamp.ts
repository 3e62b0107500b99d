import { X509Certificate } from 'node:crypto';
import { ExtendedKeyUsage, ExtendedKeyUsageExtension } from '@peculiar/x509';
import { type Issuer, issueCertificate, type Validity } from './certificates.js';

/** What a device certificate is made of. */
export interface LeafRequest {
  /** Becomes the common name; at most 64 characters. */
  registrationId: string;
  /** SubjectPublicKeyInfo, DER. */
  publicKey: Buffer;
  /** Who signs. */
  issuer: Issuer;
  validity: Validity;
  /** 16 bytes from `drawSerialNumber`. */
  serialNumber: Buffer;
}

/** A device certificate. */
export interface Leaf {
  /** PEM, ending in a newline. */
  pem: string;
  certificate: X509Certificate;
}

/** Signs a device certificate: an end entity for TLS clients, with its key's and its issuer's key identifier. Source: RFC 5280. */
export async function stampLeaf({ registrationId, publicKey, issuer, validity, serialNumber }: LeafRequest): Promise<Leaf> {
  const extensions = [new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth])];
  const pem = await issueCertificate({ commonName: registrationId, publicKey, serialNumber, validity, extensions }, issuer);
  return { pem, certificate: new X509Certificate(pem) };
}
