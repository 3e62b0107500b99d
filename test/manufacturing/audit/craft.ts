import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { BasicConstraintsExtension, ExtendedKeyUsage, ExtendedKeyUsageExtension, Name, X509CertificateGenerator } from '@peculiar/x509';
import { composeImage, type FactoryData } from '@zerotouch/flash-image/image';
import { defaultLayout, type Layout } from '@zerotouch/flash-image/layout';
import { encodeTlv, integrityTlv, tlvType } from '@zerotouch/flash-image/tlv';
import type { AuditContext } from '@zerotouch/manufacturing/audit/context';
import type { ImageFile } from '@zerotouch/manufacturing/audit/image-facts';

export const NOW = Date.parse('2026-06-01T00:00:00Z');
const DAY_MS = 86_400_000;
export const daysFromNow = (days: number): Date => new Date(NOW + days * DAY_MS);

/** Audited as a production batch, on a fixed day, with a horizon of 90 days. */
export const context: AuditContext = { now: NOW, horizon: 90 * DAY_MS, life: 'shipped' };

export const factory: FactoryData = {
  idScope: '0ne00000A1B',
  endpoint: 'global.azure-devices-provisioning.net',
  registrationId: 'pump-1',
  serial: '000001',
};

/** A certificate with its key, and who signed it. */
export interface Made {
  pem: string;
  keyPem: string;
  subject: string;
  keys: webcrypto.CryptoKeyPair;
}

/** What may differ from a sound certificate. */
export interface Wishes {
  subject?: string;
  from?: number;
  to?: number;
  ca?: boolean;
  hash?: 'SHA-1' | 'SHA-256';
  algorithm?: webcrypto.EcKeyGenParams | webcrypto.RsaHashedKeyGenParams;
  /** Signs for the issuer's name with another key. */
  signer?: webcrypto.CryptoKeyPair;
  /** Gets this key instead of a new one. */
  keys?: webcrypto.CryptoKeyPair;
  serialNumber?: string;
}

const P256: webcrypto.EcKeyGenParams = { name: 'ECDSA', namedCurve: 'P-256' };

/** Certifies a key; signed by itself without an issuer. Days count from {@link NOW}. */
export async function certify(issuer: Made | undefined, wishes: Wishes = {}): Promise<Made> {
  const { subject = 'CN=pump-1', from = -1, to = 3000, ca = false, hash = 'SHA-256', algorithm = P256 } = wishes;
  const keys = wishes.keys ?? ((await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair);
  const signer = wishes.signer ?? issuer?.keys ?? keys;
  const certificate = await X509CertificateGenerator.create({
    serialNumber:
      wishes.serialNumber ??
      Buffer.from(webcrypto.getRandomValues(new Uint8Array(8)))
        .toString('hex')
        .replace(/^./, '4'),
    subject: new Name(subject),
    issuer: new Name(issuer?.subject ?? subject),
    notBefore: daysFromNow(from),
    notAfter: daysFromNow(to),
    publicKey: keys.publicKey,
    signingKey: signer.privateKey,
    signingAlgorithm: { ...signer.privateKey.algorithm, hash },
    extensions: [
      new BasicConstraintsExtension(ca, undefined, true),
      ...(ca ? [] : [new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth])]),
    ],
  });
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  const keyPem = `-----BEGIN PRIVATE KEY-----\n${pkcs8.replace(/.{64}(?=.)/g, '$&\n')}\n-----END PRIVATE KEY-----\n`;
  return { pem: `${certificate.toString('pem')}\n`, keyPem, subject, keys };
}

/** A root, a line below it and a leaf below that. */
export async function pki(wishes: { root?: Wishes; line?: Wishes; leaf?: Wishes } = {}) {
  const root = await certify(undefined, { subject: 'CN=works root', ca: true, from: -10, to: 7000, ...wishes.root });
  const line = await certify(root, { subject: 'CN=works line', ca: true, from: -5, to: 5000, ...wishes.line });
  const leaf = await certify(line, wishes.leaf);
  return { root, line, leaf };
}

/** What may differ from a sound image. */
export interface Crafted {
  factory?: Partial<FactoryData>;
  /** PEM texts, whatever they are; `undefined` leaves one out. */
  ca?: string | undefined;
  device?: string | undefined;
  key?: string | undefined;
  layout?: Layout;
  mode?: number;
  path?: string;
  patch?: (image: Buffer) => void;
}

/** An image, sound or not: nothing that is put in is checked. */
export function craft({ layout = defaultLayout, mode = 0o600, path = 'images/pump-1.bin', patch, ...wishes }: Crafted): ImageFile {
  const bytes = composeImage({ layout, factory: { ...factory, ...wishes.factory } });
  const texts: [number, string | undefined][] = [
    [tlvType.caCertificate, wishes.ca],
    [tlvType.deviceCertificate, wishes.device],
    [tlvType.privateKey, wishes.key],
  ];
  const tlvs = texts.flatMap(([type, text]) => (text === undefined ? [] : [encodeTlv(type, Buffer.from(`${text}\0`))]));
  if (tlvs.length > 0) {
    const body = Buffer.concat(tlvs);
    Buffer.concat([body, integrityTlv(body)]).copy(bytes, 0xd000);
  }
  patch?.(bytes);
  return { path, bytes, mode };
}

/** The texts of an image with certificates. */
export function texts({ root, line, leaf }: Awaited<ReturnType<typeof pki>>): Pick<Crafted, 'ca' | 'device' | 'key'> {
  return { ca: root.pem, device: leaf.pem + line.pem, key: leaf.keyPem };
}
