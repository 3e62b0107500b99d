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

/**
 * Makes a CA for this run and a server certificate under it. The CA's key is forgotten at once.
 * @param dnsNames the names to answer to, `*.` allowed in front; the loopback address is added
 * @param addresses more IP addresses to answer to
 */
export async function makeServerIdentity(dnsNames: readonly string[], addresses: Iterable<string> = []): Promise<ServerIdentity> {
  const [authorityKeys, serverKeys] = await Promise.all([makeKeys(), makeKeys()]);
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
  const server = await X509CertificateGenerator.create(
    {
      subject: 'CN=zerotouch local cloud',
      issuer: authority.subject,
      publicKey: serverKeys.publicKey,
      signingKey: authorityKeys.privateKey,
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
        await AuthorityKeyIdentifierExtension.create(authorityKeys.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );
  const privateKey = await webcrypto.subtle.exportKey('pkcs8', serverKeys.privateKey);
  return { ca: authority.toString('pem'), certificate: server.toString('pem'), privateKey: PemConverter.encode(privateKey, 'PRIVATE KEY') };
}

function makeKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(P256, true, ['sign', 'verify']);
}
