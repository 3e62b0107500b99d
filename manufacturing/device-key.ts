import { createECDH, createPrivateKey, type ECDH, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { type KeyKind, makeKeyPair, privateKeyPem, publicKeyBytes } from './certificates.js';
import { bytesOf, childrenOf, type Element, elementAt } from './der.js';

/** A device's key pair, in the forms that certificate and image want. */
export interface DeviceKey {
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer;
  /** PKCS #8, PEM, ending in a newline. Secret. */
  readonly privateKeyPem: string;
}

/** A P-256 key as OpenSSL writes it, and where the numbers lie in it. */
interface Form {
  readonly publicKey: Buffer;
  readonly point: number;
  readonly privateKey: Buffer;
  readonly scalar: number;
  readonly ownPoint: number;
}

const SCALAR_SIZE = 32;
const POINT_SIZE = 65;
const CURVE = 'prime256v1';
const OID_CURVES = new Map([
  ['06082a8648ce3d030107', CURVE],
  ['06052b81040022', 'secp384r1'],
]);

let form: Form | undefined;

/** Kept from key to key: making one costs as much as a key. */
const curves = new Map<string, ECDH>();

/**
 * A new key pair. P-256 keys are drawn as bare numbers and put into the form that OpenSSL once wrote: writing a form costs more than
 * drawing a key.
 */
export async function makeDeviceKey(kind: KeyKind = 'p256'): Promise<DeviceKey> {
  if (kind !== 'p256') {
    const pair = await makeKeyPair(kind);
    return { publicKey: publicKeyBytes(pair.publicKey), privateKeyPem: privateKeyPem(pair.privateKey) };
  }
  form ??= readForm();
  const pair = curveNamed(CURVE);
  const point = pair.generateKeys();
  const scalar = pair.getPrivateKey();
  const publicKey = Buffer.from(form.publicKey);
  point.copy(publicKey, form.point);
  const privateKey = Buffer.from(form.privateKey);
  // A number with leading zeros comes shorter.
  privateKey.fill(0, form.scalar, form.scalar + SCALAR_SIZE);
  scalar.copy(privateKey, form.scalar + SCALAR_SIZE - scalar.length);
  point.copy(privateKey, form.ownPoint);
  return { publicKey, privateKeyPem: pemOf(privateKey) };
}

/**
 * The public point of a private key on P-256 or P-384, computed from the secret number itself, whatever point is written beside it;
 * `undefined` for a key of another form. Source: RFC 5915, RFC 5958.
 */
export function computePoint(pem: string): Buffer | undefined {
  const body = /^-----BEGIN PRIVATE KEY-----\n([A-Za-z0-9+/=\n]+)-----END PRIVATE KEY-----\n?$/.exec(pem)?.[1];
  if (body === undefined) return undefined;
  try {
    const der = Buffer.from(body, 'base64');
    const [, algorithm, octets] = childrenOf(der, elementAt(der, 0));
    const curve = algorithm === undefined ? undefined : curveOf(der, algorithm);
    const scalar = octets === undefined ? undefined : childrenOf(der, elementAt(der, octets.contents))[1];
    if (curve === undefined || scalar === undefined) return undefined;
    const pair = curveNamed(curve);
    pair.setPrivateKey(der.subarray(scalar.contents, scalar.end));
    return pair.getPublicKey();
  } catch {
    // Not DER, or no number of that curve: the slow way will say so.
    return undefined;
  }
}

function curveNamed(name: string): ECDH {
  const curve = curves.get(name) ?? createECDH(name);
  curves.set(name, curve);
  return curve;
}

function curveOf(der: Buffer, algorithm: Element): string | undefined {
  const oid = childrenOf(der, algorithm)[1];
  return oid === undefined ? undefined : OID_CURVES.get(bytesOf(der, oid).toString('hex'));
}

function readForm(): Form {
  const pair = generateKeyPairSync('ec', { namedCurve: CURVE });
  const publicKey = publicKeyBytes(pair.publicKey);
  const privateKey: Buffer = pair.privateKey.export({ type: 'pkcs8', format: 'der' });
  const point = publicKey.subarray(-POINT_SIZE);
  const scalar = scalarOf(pair.privateKey);
  const made: Form = {
    publicKey,
    point: publicKey.length - POINT_SIZE,
    privateKey,
    scalar: privateKey.indexOf(scalar),
    ownPoint: privateKey.indexOf(point),
  };
  const again = createPrivateKey(pemOf(privateKey));
  if (made.scalar < 0 || made.ownPoint < 0 || !again.equals(pair.privateKey)) throw new RangeError('OpenSSL writes keys in another form');
  return made;
}

function scalarOf(key: KeyObject): Buffer {
  return Buffer.from(key.export({ format: 'jwk' }).d ?? '', 'base64url');
}

function pemOf(der: Buffer): string {
  const text = der.toString('base64');
  let pem = '-----BEGIN PRIVATE KEY-----\n';
  for (let at = 0; at < text.length; at += 64) pem += `${text.slice(at, at + 64)}\n`;
  return `${pem}-----END PRIVATE KEY-----\n`;
}
