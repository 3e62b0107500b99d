import { generateKeyPairSync } from 'node:crypto';
import { seededEntropy } from '@zerotouch/foundation/entropy';
import { drawSerialNumber, issueCertificate, issuerOf, publicKeyBytes, selfSign } from '@zerotouch/manufacturing/certificates';

export const entropy = seededEntropy('stamp');
export const validity = { notBefore: new Date('2026-01-01T00:00:00Z'), notAfter: new Date('2055-06-01T12:00:00Z') };
const until = new Date('2060-01-01T00:00:00Z');

/** A root and a line under it, with keys of one kind. */
export async function chain(options: { namedCurve: string } | { modulusLength: number } = { namedCurve: 'P-256' }) {
  const { privateKey, publicKey } = 'namedCurve' in options ? generateKeyPairSync('ec', options) : generateKeyPairSync('rsa', options);
  const base = { validity: { ...validity, notAfter: until } };
  const rootPem = await selfSign(
    { ...base, commonName: 'stamp root', publicKey: publicKeyBytes(publicKey), serialNumber: drawSerialNumber(entropy), authority: {} },
    privateKey,
  );
  const root = await issuerOf(rootPem, privateKey);
  const keys = 'namedCurve' in options ? generateKeyPairSync('ec', options) : generateKeyPairSync('rsa', options);
  const linePem = await issueCertificate(
    {
      ...base,
      commonName: 'stamp line',
      publicKey: publicKeyBytes(keys.publicKey),
      serialNumber: drawSerialNumber(entropy),
      authority: { pathLength: 0 },
    },
    root,
  );
  return { root, line: await issuerOf(linePem, keys.privateKey) };
}
