import 'reflect-metadata';
import { createPrivateKey, webcrypto } from 'node:crypto';
import {
  BasicConstraintsExtension,
  cryptoProvider,
  SubjectAlternativeNameExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';

type KeyPair = webcrypto.CryptoKeyPair;

cryptoProvider.set(webcrypto as unknown as Parameters<typeof cryptoProvider.set>[0]);

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const YEAR = 365 * 24 * 3600 * 1000;

/** A certificate and its private key, PEM. */
export interface Credentials {
  certificate: string;
  privateKey: string;
}

/** A certificate authority that exists for one test. */
export interface Authority {
  certificate: string;
  /** Signs a leaf. @param dates milliseconds from now */
  issue(commonName: string, options?: { names?: string[]; addresses?: string[]; dates?: [number, number] }): Promise<Credentials>;
}

/** A fresh root. */
export async function makeAuthority(commonName: string): Promise<Authority> {
  const keys = await makeKeys();
  const root = await X509CertificateGenerator.createSelfSigned({
    name: `CN=${commonName}`,
    keys,
    signingAlgorithm: ALGORITHM,
    notBefore: new Date(Date.now() - YEAR),
    notAfter: new Date(Date.now() + YEAR),
    extensions: [new BasicConstraintsExtension(true, undefined, true)],
  });
  return {
    certificate: root.toString('pem'),
    issue: (name, options) => issue(root, keys.privateKey, name, options),
  };
}

async function issue(
  root: X509Certificate,
  signingKey: webcrypto.CryptoKey,
  commonName: string,
  { names = [], addresses = [], dates = [-YEAR, YEAR] }: { names?: string[]; addresses?: string[]; dates?: [number, number] } = {},
): Promise<Credentials> {
  const keys = await makeKeys();
  const alternatives = [
    ...names.map((value) => ({ type: 'dns' as const, value })),
    ...addresses.map((value) => ({ type: 'ip' as const, value })),
  ];
  const leaf = await X509CertificateGenerator.create({
    subject: `CN=${commonName}`,
    issuer: root.subject,
    publicKey: keys.publicKey,
    signingKey,
    signingAlgorithm: ALGORITHM,
    notBefore: new Date(Date.now() + dates[0]),
    notAfter: new Date(Date.now() + dates[1]),
    extensions: alternatives.length === 0 ? [] : [new SubjectAlternativeNameExtension(alternatives)],
  });
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).export({ format: 'pem', type: 'pkcs8' }).toString();
  return { certificate: leaf.toString('pem'), privateKey };
}

function makeKeys(): Promise<KeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']) as Promise<KeyPair>;
}
