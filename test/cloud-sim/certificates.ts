import 'reflect-metadata';
import { randomBytes, webcrypto } from 'node:crypto';
import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  type X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import type { ProvedCertificate } from '@zerotouch/azure-wire/enrolment';

const P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** A validity, by default from yesterday to next year. */
export interface Validity {
  notBefore?: Date;
  notAfter?: Date;
}

/** A CA that signs for a test. */
export interface Authority {
  certificate: X509Certificate;
  pem: string;
  keys: webcrypto.CryptoKeyPair;
}

/** A certificate with its key, PEM. */
export interface Leaf {
  cert: string;
  key: string;
}

export async function makeAuthority(
  name: string,
  issuer?: Authority,
  options: Validity & { ca?: boolean; pathLength?: number } = {},
): Promise<Authority> {
  const keys = await makeKeys();
  const certificate = await sign(name, keys.publicKey, issuer ?? { keys, name }, options, [
    new BasicConstraintsExtension(options.ca ?? true, options.pathLength, true),
    new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
  ]);
  return { certificate, pem: certificate.toString('pem'), keys };
}

export async function issue(issuer: Authority, commonName: string, validity: Validity = {}): Promise<Leaf> {
  const keys = await makeKeys();
  const certificate = await sign(commonName, keys.publicKey, issuer, validity, [new BasicConstraintsExtension(false, undefined, true)]);
  const key = PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY');
  return { cert: certificate.toString('pem'), key };
}

/** A CA certificate with its proof of possession, signed by `prover` (by default the CA itself). */
export async function prove(name: string, authority: Authority, prover: Authority = authority): Promise<ProvedCertificate> {
  const code = randomBytes(24).toString('hex').toUpperCase();
  const { cert } = await issue(prover, code);
  return { name, certificate: authority.pem, verification: { code, certificate: cert } };
}

/** A leaf that sends its chain. */
export function withChain(leaf: Leaf, ...chain: Authority[]): Leaf {
  return { cert: [leaf.cert, ...chain.map(({ pem }) => pem)].join('\n'), key: leaf.key };
}

function sign(
  name: string,
  publicKey: webcrypto.CryptoKey,
  issuer: { keys: webcrypto.CryptoKeyPair } & ({ certificate: X509Certificate } | { name: string }),
  { notBefore = new Date(Date.now() - 86_400_000), notAfter = new Date(Date.now() + 365 * 86_400_000) }: Validity,
  extensions: (BasicConstraintsExtension | KeyUsagesExtension)[],
): Promise<X509Certificate> {
  return X509CertificateGenerator.create(
    {
      subject: `CN=${name}`,
      issuer: 'certificate' in issuer ? issuer.certificate.subject : `CN=${issuer.name}`,
      publicKey,
      signingKey: issuer.keys.privateKey,
      signingAlgorithm: P256,
      serialNumber: `00${randomBytes(15).toString('hex')}`,
      notBefore,
      notAfter,
      extensions,
    },
    webcrypto,
  );
}

function makeKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(P256, true, ['sign', 'verify']);
}
