import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { publicKeyBytes } from './certificates.js';
import { elementAt, wrap } from './der.js';
import { InputFault } from './input-faults.js';
import { digestOf, type SignatureAlgorithm, type Signer } from './signer.js';

/** A PKCS#11 token, and how it is entered. */
export interface TokenPlace {
  /** Path of the PKCS#11 module: `/usr/lib/softhsm/libsofthsm2.so`. */
  module: string;
  /** Label of the token. */
  label: string;
  /** Secret. */
  pin: string;
}

/** A key that never leaves its token. */
export interface TokenKey {
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer;
  readonly signer: Signer;
}

/** A token that was entered. */
export interface Token {
  /** The key pair of that label, `undefined` where there is none. */
  find(label: string): TokenKey | undefined;
  /** Gives the key pair of that label another one, if it is there: it is not found, nor used, under the old one any more. */
  rename(label: string, to: string): void;
  /** The same, made (P-256, sensitive, not extractable) where it is missing. */
  findOrMake(label: string): TokenKey;
}

/** The part of the package `pkcs11js` that is used: it is native, so users who have a token install it themselves. */
interface Pkcs11 {
  load(path: string): void;
  C_Initialize(options: { flags: number }): void;
  C_GetSlotList(present: boolean): Buffer[];
  C_GetTokenInfo(slot: Buffer): { label: string };
  C_OpenSession(slot: Buffer, flags: number): Buffer;
  C_Login(session: Buffer, user: number, pin: string): void;
  C_FindObjectsInit(session: Buffer, template: Attribute[]): void;
  C_FindObjects(session: Buffer, most: number): Buffer[];
  C_FindObjectsFinal(session: Buffer): void;
  C_GetAttributeValue(session: Buffer, object: Buffer, template: { type: number }[]): { value: Buffer }[];
  C_SetAttributeValue(session: Buffer, object: Buffer, template: Attribute[]): void;
  C_GenerateKeyPair(
    session: Buffer,
    mechanism: Mechanism,
    open: Attribute[],
    secret: Attribute[],
  ): { publicKey: Buffer; privateKey: Buffer };
  C_SignInit(session: Buffer, mechanism: Mechanism, key: Buffer): void;
  C_Sign(session: Buffer, data: Buffer, into: Buffer): Buffer;
}

interface Attribute {
  type: number;
  value: Buffer | boolean | number | string;
}

interface Mechanism {
  mechanism: number;
  parameter: Buffer | null;
}

// Numbers of PKCS #11. Source: OASIS, PKCS #11 2.40, pkcs11t.h.
/** The module locks by itself: a batch may be burnt in several threads. */
const OS_LOCKING = 0x2;
const SESSION = { readWrite: 0x2, serial: 0x4 };
const USER = 1;
const CLASS = { publicKey: 2, privateKey: 3 };
const KEY = { rsa: 0, ec: 3 };
const ATTRIBUTE = {
  class: 0x0,
  token: 0x1,
  private: 0x2,
  label: 0x3,
  keyType: 0x100,
  sensitive: 0x103,
  sign: 0x108,
  verify: 0x10a,
  modulus: 0x120,
  exponent: 0x122,
  extractable: 0x162,
  ecParams: 0x180,
  ecPoint: 0x181,
};
const MECHANISM = { sha256RsaPkcs: 0x40, ecKeyPairGen: 0x1040, ecdsa: 0x1041 };
const ALREADY_INITIALISED = 0x191;
const ALREADY_LOGGED_IN = 0x100;
const P256 = Buffer.from('06082a8648ce3d030107', 'hex');
const P384 = Buffer.from('06052b81040022', 'hex');
const EC_PUBLIC_KEY = Buffer.from('06072a8648ce3d0201', 'hex');
const SIGNATURE_ROOM = 1024;

const open = new Map<string, Token>();

/**
 * Enters a token; the session stays open as long as the process.
 * @throws InputFault TOKEN_MODULE, TOKEN_REFUSED; the PIN is in none of them
 */
export function openToken(place: TokenPlace): Token {
  const id = `${place.module}\0${place.label}`;
  const known = open.get(id);
  if (known !== undefined) return known;
  const library = loadLibrary(place);
  const session = enter(library, place);
  const token: Token = {
    find: (label) => findKey(library, session, label),
    rename: (label, to) => renameKey(library, session, label, to),
    findOrMake: (label) => findKey(library, session, label) ?? makeKey(library, session, label),
  };
  open.set(id, token);
  return token;
}

function loadLibrary({ module }: TokenPlace): Pkcs11 {
  const library = requirePackage();
  try {
    library.load(module);
  } catch (cause) {
    throw new InputFault('TOKEN_MODULE', 'the PKCS#11 module cannot be loaded', {
      where: module,
      expected: 'the shared library of the token',
      cause,
    });
  }
  attempt('initialise the module', module, () => library.C_Initialize({ flags: OS_LOCKING }), ALREADY_INITIALISED);
  return library;
}

/** From beside this package, else from the folder in which the user works. */
function requirePackage(): Pkcs11 {
  for (const from of [import.meta.url, join(process.cwd(), 'package.json')]) {
    try {
      const { PKCS11 } = createRequire(from)('pkcs11js') as { PKCS11: new () => Pkcs11 };
      return new PKCS11();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  throw new InputFault('TOKEN_MODULE', 'a token needs a package that is not installed', {
    where: 'pkcs11js',
    expected: 'pkcs11js 2, which is native and so not installed by itself',
    remedy: 'npm install pkcs11js',
  });
}

function enter(library: Pkcs11, { module, label, pin }: TokenPlace): Buffer {
  const labels = new Map(library.C_GetSlotList(true).map((slot) => [labelOf(library, slot), slot]));
  const slot = labels.get(label);
  if (slot === undefined) {
    throw new InputFault('TOKEN_REFUSED', 'there is no such token', {
      where: module,
      seen: [...labels.keys()].filter((name) => name !== ''),
      expected: label,
    });
  }
  const session = attempt('open a session', label, () => library.C_OpenSession(slot, SESSION.readWrite | SESSION.serial));
  attempt('log in', label, () => library.C_Login(session, USER, pin), ALREADY_LOGGED_IN);
  return session;
}

function labelOf(library: Pkcs11, slot: Buffer): string {
  return library.C_GetTokenInfo(slot).label.replaceAll('\0', '').trim();
}

function findKey(library: Pkcs11, session: Buffer, label: string): TokenKey | undefined {
  const find = (kind: number): Buffer | undefined => {
    const found = objectsOf(library, session, label, kind);
    if (found.length < 2) return found[0];
    throw new InputFault('TOKEN_KEY', 'two keys have this label', { where: label, expected: 'one' });
  };
  const [publicKey, privateKey] = [find(CLASS.publicKey), find(CLASS.privateKey)];
  if (publicKey === undefined && privateKey === undefined) return undefined;
  if (publicKey !== undefined && privateKey !== undefined) return keyOf(library, session, label, publicKey, privateKey);
  throw new InputFault('TOKEN_KEY', `the ${publicKey === undefined ? 'public' : 'private'} key is missing`, {
    where: label,
    expected: 'a key pair under one label',
  });
}

function renameKey(library: Pkcs11, session: Buffer, label: string, to: string): void {
  attempt('give the key another label', label, () => {
    for (const kind of [CLASS.publicKey, CLASS.privateKey]) {
      for (const object of objectsOf(library, session, label, kind))
        library.C_SetAttributeValue(session, object, [{ type: ATTRIBUTE.label, value: to }]);
    }
  });
}

function objectsOf(library: Pkcs11, session: Buffer, label: string, kind: number): Buffer[] {
  library.C_FindObjectsInit(session, [
    { type: ATTRIBUTE.class, value: kind },
    { type: ATTRIBUTE.label, value: label },
  ]);
  const found = library.C_FindObjects(session, 2);
  library.C_FindObjectsFinal(session);
  return found;
}

function makeKey(library: Pkcs11, session: Buffer, label: string): TokenKey {
  const kept = [
    { type: ATTRIBUTE.token, value: true },
    { type: ATTRIBUTE.label, value: label },
  ];
  const { publicKey, privateKey } = attempt('make a key', label, () =>
    library.C_GenerateKeyPair(
      session,
      { mechanism: MECHANISM.ecKeyPairGen, parameter: null },
      [...kept, { type: ATTRIBUTE.ecParams, value: P256 }, { type: ATTRIBUTE.verify, value: true }],
      [
        ...kept,
        { type: ATTRIBUTE.private, value: true },
        { type: ATTRIBUTE.sensitive, value: true },
        { type: ATTRIBUTE.extractable, value: false },
        { type: ATTRIBUTE.sign, value: true },
      ],
    ),
  );
  return keyOf(library, session, label, publicKey, privateKey);
}

function keyOf(library: Pkcs11, session: Buffer, label: string, publicKey: Buffer, privateKey: Buffer): TokenKey {
  const read = (type: number): Buffer => library.C_GetAttributeValue(session, publicKey, [{ type }])[0]?.value ?? Buffer.alloc(0);
  const key =
    read(ATTRIBUTE.keyType).readUInt8(0) === KEY.rsa
      ? rsaKey(read(ATTRIBUTE.modulus), read(ATTRIBUTE.exponent))
      : ecKey(read(ATTRIBUTE.ecParams), read(ATTRIBUTE.ecPoint));
  if (key === undefined)
    throw new InputFault('TOKEN_KEY', 'the key is of a kind that cannot sign here', { where: label, expected: 'P-256, P-384 or RSA' });
  const { algorithm } = key;
  const rsa = algorithm === 'rsa-sha256';
  const mechanism = { mechanism: rsa ? MECHANISM.sha256RsaPkcs : MECHANISM.ecdsa, parameter: null };
  const sign = (bytes: Uint8Array): Buffer => {
    const data = rsa ? Buffer.from(bytes) : createHash(digestOf(algorithm)).update(bytes).digest();
    const signature = attempt('sign', label, () => {
      library.C_SignInit(session, mechanism, privateKey);
      return library.C_Sign(session, data, Buffer.alloc(SIGNATURE_ROOM));
    });
    return rsa ? signature : ecdsaDer(signature);
  };
  return { publicKey: key.publicKey, signer: { algorithm, sign } };
}

type Public = { algorithm: SignatureAlgorithm; publicKey: Buffer };

function ecKey(parameters: Buffer, point: Buffer): Public | undefined {
  const algorithm = parameters.equals(P256) ? 'ecdsa-sha256' : parameters.equals(P384) ? 'ecdsa-sha384' : undefined;
  if (algorithm === undefined) return undefined;
  // The token gives the point inside an OCTET STRING.
  const { contents } = elementAt(point, 0);
  const bits = wrap(0x03, Uint8Array.of(0), point.subarray(contents));
  return { algorithm, publicKey: wrap(0x30, wrap(0x30, EC_PUBLIC_KEY, parameters), bits) };
}

function rsaKey(modulus: Buffer, exponent: Buffer): Public {
  const key: KeyObject = createPublicKey({
    format: 'jwk',
    key: { kty: 'RSA', n: modulus.toString('base64url'), e: exponent.toString('base64url') },
  });
  return { algorithm: 'rsa-sha256', publicKey: publicKeyBytes(key) };
}

/** The two numbers of a signature as DER; the token writes them one after the other. Source: RFC 3279, 2.2.3. */
function ecdsaDer(raw: Buffer): Buffer {
  const half = raw.length / 2;
  return wrap(0x30, integer(raw.subarray(0, half)), integer(raw.subarray(half)));
}

function integer(bytes: Buffer): Buffer {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  const digits = bytes.subarray(start);
  return (digits[0] ?? 0) < 0x80 ? wrap(0x02, digits) : wrap(0x02, Uint8Array.of(0), digits);
}

function attempt<T>(what: string, where: string, act: () => T, harmless?: number): T {
  try {
    return act();
  } catch (error) {
    const { code, message = '' } = error as { code?: number | string; message?: string };
    if (harmless !== undefined && code === harmless) return undefined as T;
    const seen = /CKR_[A-Z_]+/.exec(message)?.[0] ?? code;
    throw new InputFault('TOKEN_REFUSED', `the token refused to ${what}`, { where, seen, expected: 'CKR_OK' });
  }
}
