import 'reflect-metadata';
import { createHash, webcrypto } from 'node:crypto';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  PemConverter,
  type PublicKey,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import { dpsChoices } from '../choices.js';
import type { AuthorityRecord, DeviceAuthentication, Store } from '../store/store.js';
import type { SigningRequest } from './signing-request.js';

const P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
// Wide: the cloud may run on another clock than the machine's.
const AUTHORITY_VALIDITY = { notBefore: new Date('2020-01-01T00:00:00Z'), notAfter: new Date('2049-12-31T23:59:59Z') };
const DAY_MS = 86_400_000;
const ROOT_KEY = 'issuance';

/** A certificate that was issued to a device. */
export interface Issued {
  /** Base64 of DER: the leaf, the CA of its policy, the root. */
  chain: string[];
  /** How the device proves itself to its hub from now on. */
  authentication: DeviceAuthentication;
}

/** What issuing works with. */
export interface IssuanceParts {
  store: Pick<Store, 'authority'>;
  clock: Clock;
  entropy: Entropy;
}

/**
 * Issues certificates to devices that ask for one while they register, as the policies of an Azure Device Registry namespace do: one root for the cloud,
 * under it a CA for each policy, made when its name is first used. Source: iot-hub/concept-certificate-issuance.
 */
export class Issuance {
  readonly #parts: IssuanceParts;

  constructor(parts: IssuanceParts) {
    this.#parts = parts;
  }

  async issue({ commonName, publicKey, policy }: SigningRequest): Promise<Issued> {
    const root = await this.#kept(ROOT_KEY, () => makeAuthority('zerotouch local registry root', this.#serialNumber()));
    const authority = await this.#kept(`${ROOT_KEY}/${policy}`, () => makeAuthority(`${policy} issuing CA`, this.#serialNumber(), root));
    // Certificates know whole seconds.
    const now = Math.floor(this.#parts.clock.now() / 1000) * 1000;
    const leaf = await certify(
      {
        commonName,
        publicKey,
        serialNumber: this.#serialNumber(),
        notBefore: new Date(now - dpsChoices.clockSkewSeconds.value * 1000),
        notAfter: new Date(now + dpsChoices.issuedCertificateDays.value * DAY_MS),
      },
      [
        new BasicConstraintsExtension(false, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth]),
      ],
      authority,
    );
    const der = [leaf, new X509Certificate(authority.certificate), new X509Certificate(root.certificate)].map(({ rawData }) =>
      Buffer.from(rawData),
    );
    const print = createHash('sha256')
      .update(der[0] ?? Buffer.of())
      .digest('hex')
      .toUpperCase();
    return {
      chain: der.map((bytes) => bytes.toString('base64')),
      authentication: { type: 'selfSigned', primaryThumbprint: print, secondaryThumbprint: print },
    };
  }

  // Whoever was first made it: another process may have been.
  async #kept(key: string, make: () => Promise<AuthorityRecord>): Promise<AuthorityRecord> {
    const { authority } = this.#parts.store;
    const known = await authority.get(key);
    if (known !== undefined) return known;
    const fresh = await make();
    return authority.update(key, (current) => current ?? fresh);
  }

  // Positive, and never shorter. Source: RFC 5280, 4.1.2.2.
  #serialNumber(): string {
    const bytes = this.#parts.entropy.bytes(16);
    bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
    return bytes.toString('hex');
  }
}

interface Subject {
  commonName: string;
  publicKey: PublicKey | webcrypto.CryptoKey;
  serialNumber: string;
  notBefore: Date;
  notAfter: Date;
}

async function certify(
  { commonName, publicKey, ...subject }: Subject,
  extensions: Extension[],
  issuer: AuthorityRecord | { key: webcrypto.CryptoKey },
): Promise<X509Certificate> {
  const above = 'key' in issuer ? undefined : new X509Certificate(issuer.certificate);
  const name = new Name([{ CN: [commonName] }]);
  const link =
    above === undefined ? [] : [await AuthorityKeyIdentifierExtension.create(await above.publicKey.export(webcrypto), false, webcrypto)];
  return X509CertificateGenerator.create(
    {
      ...subject,
      subject: name,
      issuer: above?.subjectName ?? name,
      publicKey,
      signingKey: 'key' in issuer ? issuer.key : await readKey(issuer.privateKey),
      signingAlgorithm: P256,
      extensions: [...extensions, await SubjectKeyIdentifierExtension.create(publicKey, false, webcrypto), ...link],
    },
    webcrypto,
  );
}

async function makeAuthority(commonName: string, serialNumber: string, issuer?: AuthorityRecord): Promise<AuthorityRecord> {
  const keys = await webcrypto.subtle.generateKey(P256, true, ['sign', 'verify']);
  const certificate = await certify(
    { commonName, serialNumber, publicKey: keys.publicKey, ...AUTHORITY_VALIDITY },
    [
      new BasicConstraintsExtension(true, issuer === undefined ? undefined : 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ],
    issuer ?? { key: keys.privateKey },
  );
  const privateKey = PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY');
  return { certificate: certificate.toString('pem'), privateKey };
}

function readKey(pem: string): Promise<webcrypto.CryptoKey> {
  return webcrypto.subtle.importKey('pkcs8', PemConverter.decodeFirst(pem), P256, false, ['sign']);
}
