import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { PemConverter, Pkcs10CertificateRequestGenerator } from '@peculiar/x509';
import type { SigningRequest } from '../boot/ports.js';

const P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/**
 * A new key, and the request that DPS is to issue a certificate for it: made out to the registration id alone, signed with the key.
 * Source: RFC 2986 (PKCS #10); DPS device API, 2025-07-01-preview, `csr`.
 */
export async function makeSigningRequest(registrationId: string): Promise<SigningRequest> {
  const keys = await webcrypto.subtle.generateKey(P256, true, ['sign', 'verify']);
  const request = await Pkcs10CertificateRequestGenerator.create(
    // As a structure: in a text, a comma of the id would begin another name.
    { name: [{ CN: [registrationId] }], keys, signingAlgorithm: P256 },
    webcrypto,
  );
  const privateKey = PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY');
  return { der: Buffer.from(request.rawData), privateKey };
}
