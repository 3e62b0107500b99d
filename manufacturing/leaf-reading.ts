import { bytesOf, childrenOf, type Element, elementAt } from './der.js';

/** A device certificate as it lies in DER; all views of the given bytes. Source: RFC 5280, 4.1. */
export interface LeafReading {
  readonly tbs: Buffer;
  readonly signature: Buffer;
  /** Digest of the signature, `undefined` for an algorithm that this project does not sign with. */
  readonly digest: 'sha256' | 'sha384' | undefined;
  /** Name of the issuer, DER. */
  readonly issuer: Buffer;
  /** `undefined` unless the subject is one common name and nothing else. */
  readonly commonName: string | undefined;
  /** The bits of the public key: for an elliptic curve, its point. */
  readonly point: Buffer;
  /** Whether basic constraints make it an authority. */
  readonly authority: boolean;
}

const SIGNATURES = new Map<string, 'sha256' | 'sha384'>([
  ['06082a8648ce3d040302', 'sha256'],
  ['06082a8648ce3d040303', 'sha384'],
  ['06092a864886f70d01010b', 'sha256'],
]);
const COMMON_NAME = Buffer.from('0603550403', 'hex');
const BASIC_CONSTRAINTS = Buffer.from('0603551d13', 'hex');
const BOOLEAN = 0x01;

/**
 * Reads a certificate of version 3 with extensions. It is not judged: names, numbers and bits come as they lie there, and what they are worth
 * is the signature's to say.
 * @throws RangeError where the bytes are no such certificate
 */
export function readLeaf(der: Buffer): LeafReading {
  const whole = elementAt(der, 0);
  const [tbs, algorithm, signature] = childrenOf(der, whole);
  const [version, , , issuer, , subject, key, extensions] = tbs === undefined ? [] : childrenOf(der, tbs);
  const bits = key === undefined ? undefined : childrenOf(der, key).at(-1);
  const given = [tbs, algorithm, signature, version, issuer, subject, key, extensions, bits];
  if (whole.end !== der.length || version?.tag !== 0xa0 || given.some((element) => element === undefined || element.end > der.length))
    throw not();
  const part = (element: Element | undefined): Element => element ?? whole;
  const oid = childrenOf(der, part(algorithm))[0];
  return {
    tbs: bytesOf(der, part(tbs)),
    signature: der.subarray(part(signature).contents + 1, part(signature).end),
    digest: oid === undefined ? undefined : SIGNATURES.get(bytesOf(der, oid).toString('hex')),
    issuer: bytesOf(der, part(issuer)),
    commonName: commonNameIn(der, part(subject)),
    point: der.subarray(part(bits).contents + 1, part(bits).end),
    authority: isAuthority(der, part(extensions)),
  };
}

/** The name of a certificate's subject, DER, as those it issues name it. */
export function subjectOf(der: Buffer): Buffer {
  const subject = childrenOf(der, elementAt(der, elementAt(der, 0).contents))[5];
  return subject === undefined ? Buffer.alloc(0) : bytesOf(der, subject);
}

function commonNameIn(der: Buffer, subject: Element): string | undefined {
  const sets = childrenOf(der, subject);
  const attributes = sets[0] === undefined ? [] : childrenOf(der, sets[0]);
  if (sets.length !== 1 || attributes.length !== 1 || attributes[0] === undefined) return undefined;
  const [type, value] = childrenOf(der, attributes[0]);
  if (type === undefined || value === undefined || !bytesOf(der, type).equals(COMMON_NAME)) return undefined;
  return der.toString('utf8', value.contents, value.end);
}

function isAuthority(der: Buffer, extensions: Element): boolean {
  for (const list of childrenOf(der, extensions)) {
    for (const extension of childrenOf(der, list)) {
      const parts = childrenOf(der, extension);
      const [oid] = parts;
      const value = parts.at(-1);
      if (oid === undefined || value === undefined || !bytesOf(der, oid).equals(BASIC_CONSTRAINTS)) continue;
      return childrenOf(der, elementAt(der, value.contents)).some(({ tag, contents }) => tag === BOOLEAN && der[contents] !== 0);
    }
  }
  return false;
}

function not(): RangeError {
  return new RangeError('the bytes are no certificate');
}
