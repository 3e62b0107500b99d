import 'reflect-metadata';
import { hash, X509Certificate } from 'node:crypto';
import { ExtendedKeyUsage, ExtendedKeyUsageExtension } from '@peculiar/x509';
import { type CertificateRequest, type Issuer, issueCertificate, layOut, type Validity } from './certificates.js';
import { bytesOf, certificatePem, childrenOf, elementAt, joinCertificate, signedPartsOf } from './der.js';

/** What a device certificate is made of. */
export interface LeafRequest {
  /** Becomes the common name; at most 64 characters. */
  registrationId: string;
  /** SubjectPublicKeyInfo, DER. */
  publicKey: Buffer;
  /** Who signs. */
  issuer: Issuer;
  validity: Validity;
  /** 16 bytes from `drawSerialNumber`. */
  serialNumber: Buffer;
}

/** A device certificate. */
export interface Leaf {
  readonly der: Buffer;
  /** PEM, ending in a newline. */
  readonly pem: string;
  /** Parsed when it is first asked for. */
  readonly certificate: X509Certificate;
}

/**
 * A certificate that the library laid out, without its signature, and where in it the parts lie that differ from device to device. They have one
 * length for every device that shares the template, so that stamping is copying.
 */
interface Template {
  readonly tbs: Buffer;
  readonly algorithm: Buffer;
  readonly serialNumber: number;
  readonly commonName: number;
  readonly publicKey: number;
  readonly keyId: number;
  /** The start of the public key that all devices have in common: its algorithm. */
  readonly keyHead: Buffer;
}

const SERIAL_SIZE = 16;
const KEY_ID_SIZE = 20;
// Extension subjectKeyIdentifier: OID 2.5.29.14, then an OCTET STRING in an OCTET STRING. Source: RFC 5280, 4.2.1.2.
const KEY_ID_HEAD = Buffer.from('0603551d0e04160414', 'hex');

const templates = new WeakMap<Issuer, Map<string, Template | undefined>>();

/**
 * Signs a device certificate: an end entity for TLS clients, with its key's and its issuer's key identifier. Source: RFC 5280.
 *
 * The first certificate of its shape is laid out by the library; the others are stamped from it, byte for byte what the library would make.
 */
export async function stampLeaf(request: LeafRequest): Promise<Leaf> {
  const template = await templateFor(request);
  if (template === undefined) return leafOf(new X509Certificate(await issueCertificate(contentOf(request), request.issuer)).raw);
  const tbs = Buffer.from(template.tbs);
  tbs.set(request.serialNumber, template.serialNumber);
  tbs.write(request.registrationId, template.commonName, 'latin1');
  tbs.set(request.publicKey, template.publicKey);
  tbs.set(keyIdOf(request.publicKey), template.keyId);
  const signature = request.issuer.signer.sign(tbs);
  const der = joinCertificate(tbs, template.algorithm, signature instanceof Promise ? await signature : signature);
  return leafOf(der);
}

function leafOf(der: Buffer): Leaf {
  let certificate: X509Certificate | undefined;
  return {
    der,
    pem: certificatePem(der),
    get certificate() {
      certificate ??= new X509Certificate(der);
      return certificate;
    },
  };
}

function contentOf({ registrationId, publicKey, validity, serialNumber }: LeafRequest): CertificateRequest {
  const extensions = [new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth])];
  return { commonName: registrationId, publicKey, serialNumber, validity, extensions };
}

/** The template that fits a request; `undefined` where none can: a name that is not ASCII, a key of another form. */
async function templateFor(request: LeafRequest): Promise<Template | undefined> {
  const { issuer, registrationId, publicKey, validity, serialNumber } = request;
  if (serialNumber.length !== SERIAL_SIZE) return undefined;
  const known = templates.get(issuer) ?? new Map<string, Template | undefined>();
  templates.set(issuer, known);
  const id = `${validity.notBefore.getTime()} ${validity.notAfter.getTime()} ${nameShape(registrationId)} ${publicKey.length}`;
  let template = known.get(id);
  if (template === undefined && !known.has(id)) {
    template = await makeTemplate(request);
    known.set(id, template);
  }
  return template !== undefined && publicKey.subarray(0, template.keyHead.length).equals(template.keyHead) ? template : undefined;
}

/** Two names of one shape take the same string type and length. */
function nameShape(name: string): string {
  // Source: X.680, 41.4 (PrintableString); the library chooses by it.
  return `${/^[A-Za-z0-9 '()+,\-./:=?]*$/.test(name) ? 'printable' : 'utf8'} ${name.length}`;
}

async function makeTemplate(request: LeafRequest): Promise<Template | undefined> {
  const { registrationId, publicKey, issuer, serialNumber } = request;
  if (!/^[\x20-\x7e]+$/.test(registrationId)) return undefined;
  const { tbs, algorithm } = signedPartsOf(await layOut(contentOf(request), issuer));
  const [, serial, , , , subject, key] = childrenOf(tbs, elementAt(tbs, 0));
  if (serial === undefined || subject === undefined || key === undefined) return undefined;
  const keyId = tbs.indexOf(KEY_ID_HEAD, key.end) + KEY_ID_HEAD.length;
  const bits = childrenOf(tbs, key).at(-1);
  const template: Template = {
    tbs: Buffer.from(tbs),
    algorithm: Buffer.from(algorithm),
    serialNumber: serial.end - SERIAL_SIZE,
    commonName: subject.end - registrationId.length,
    publicKey: key.start,
    keyId,
    keyHead: Buffer.from(tbs.subarray(key.start, (bits ?? key).contents)),
  };
  const found =
    bytesOf(tbs, serial).subarray(-SERIAL_SIZE).equals(serialNumber) &&
    serial.end - serial.contents === SERIAL_SIZE &&
    tbs.toString('latin1', template.commonName, subject.end) === registrationId &&
    bytesOf(tbs, key).equals(publicKey) &&
    tbs.subarray(keyId, keyId + KEY_ID_SIZE).equals(keyIdOf(publicKey));
  return found ? template : undefined;
}

/** SHA-1 of the key's bits. Source: RFC 5280, 4.2.1.2 (1). */
function keyIdOf(publicKey: Buffer): Buffer {
  const bits = childrenOf(publicKey, elementAt(publicKey, 0)).at(-1);
  return hash('sha1', publicKey.subarray((bits?.contents ?? 0) + 1, bits?.end), 'buffer');
}
