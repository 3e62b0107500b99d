import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';

const P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

// Fixed, and wide: TLS clients judge by the machine's clock, the cloud may run on another one.
const VALIDITY = { notBefore: new Date('2020-01-01T00:00:00Z'), notAfter: new Date('2049-12-31T23:59:59Z') };

/** What a TLS listener shows, and what its clients must trust. All PEM. */
export interface ServerIdentity {
  ca: string;
  certificate: string;
  privateKey: string;
}

/** A CA with its key, PEM: to be kept by a cloud that its devices shall trust again after a restart. */
export interface ServerAuthority {
  certificate: string;
  privateKey: string;
}

/** Makes a CA for a local cloud. */
export async function makeServerAuthority(): Promise<ServerAuthority> {
  const authorityKeys = await makeKeys();
  const authority = await X509CertificateGenerator.createSelfSigned(
    {
      name: 'CN=zerotouch local cloud CA',
      keys: authorityKeys,
      signingAlgorithm: P256,
      ...VALIDITY,
      extensions: [
        new BasicConstraintsExtension(true, 0, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
        await SubjectKeyIdentifierExtension.create(authorityKeys.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );
  return { certificate: authority.toString('pem'), privateKey: await keyText(authorityKeys.privateKey) };
}

/**
 * Makes a server certificate, by default under a CA for this run, whose key is forgotten at once.
 * @param dnsNames the names to answer to, `*.` allowed in front; the loopback address is added
 * @param addresses more IP addresses to answer to
 */
export async function makeServerIdentity(
  dnsNames: readonly string[],
  addresses: Iterable<string> = [],
  authority?: ServerAuthority,
): Promise<ServerIdentity> {
  const { certificate, privateKey } = authority ?? (await makeServerAuthority());
  const issuer = new X509Certificate(certificate);
  const signingKey = await webcrypto.subtle.importKey('pkcs8', PemConverter.decodeFirst(privateKey), P256, false, ['sign']);
  const serverKeys = await makeKeys();
  const server = await X509CertificateGenerator.create(
    {
      subject: 'CN=zerotouch local cloud',
      issuer: issuer.subject,
      publicKey: serverKeys.publicKey,
      signingKey,
      signingAlgorithm: P256,
      ...VALIDITY,
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
        new SubjectAlternativeNameExtension([
          ...dnsNames.map((value) => ({ type: 'dns' as const, value })),
          ...['127.0.0.1', ...addresses].map((value) => ({ type: 'ip' as const, value })),
        ]),
        await AuthorityKeyIdentifierExtension.create(await issuer.publicKey.export(webcrypto), false, webcrypto),
      ],
    },
    webcrypto,
  );
  return { ca: certificate, certificate: server.toString('pem'), privateKey: await keyText(serverKeys.privateKey) };
}

async function keyText(key: webcrypto.CryptoKey): Promise<string> {
  return PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');
}

function makeKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(P256, true, ['sign', 'verify']);
}
