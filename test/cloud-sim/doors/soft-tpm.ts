import { constants, createDecipheriv, createHash, createHmac, generateKeyPairSync, type KeyObject, privateDecrypt } from 'node:crypto';

/** The digest of PolicySecret with the endorsement hierarchy, which the standard endorsement key has. */
const EK_POLICY = Buffer.from('837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa', 'hex');

interface StorageKey {
  privateKey: KeyObject;
  /** TPM2B_PUBLIC. */
  area: Buffer;
}

type Done<T> = (error: Error | null, result?: T) => void;

/**
 * The device's side of TPM attestation in software: what a TPM does on ActivateCredential, Import and HMAC, with the checks it makes.
 * It has the shape of azure-iot-security-tpm, so that the official provisioning client drives it.
 */
export class SoftTpm {
  readonly registrationId: string;
  readonly #endorsement = makeStorageKey(0x000300b2, EK_POLICY);
  readonly #root = makeStorageKey(0x00030472, Buffer.alloc(0));
  /** The HMAC key that was imported last. */
  identityKey: Buffer | undefined;
  activations = 0;

  constructor(registrationId: string) {
    this.registrationId = registrationId;
  }

  get endorsementKey(): Buffer {
    return this.#endorsement.area;
  }

  get storageRootKey(): Buffer {
    return this.#root.area;
  }

  getEndorsementKey(done: Done<Buffer>): void {
    done(null, this.endorsementKey);
  }

  getStorageRootKey(done: Done<Buffer>): void {
    done(null, this.storageRootKey);
  }

  getRegistrationId(done: Done<string>): void {
    done(null, this.registrationId);
  }

  activateIdentityKey(blob: Buffer, done: (error: Error | null) => void): void {
    try {
      this.activate(blob);
      done(null);
    } catch (error) {
      done(error as Error);
    }
  }

  signWithIdentity(data: Buffer | string, done: Done<Buffer>): void {
    if (this.identityKey === undefined) done(new Error('no identity key'));
    else done(null, createHmac('sha256', this.identityKey).update(data).digest());
  }

  /** @throws when the blob is not for this TPM, or not as the specification has it */
  activate(blob: Buffer): void {
    const [credential, secret, duplicated, wrapKey, area] = fields(blob) as [Buffer, Buffer, Buffer, Buffer, Buffer];
    const rootName = nameOf(this.#root.area.subarray(2));
    const inner = unsized(unprotect(credential, decrypt(this.#endorsement.privateKey, secret, 'IDENTITY'), rootName));
    const name = nameOf(area);
    const sealed = unprotect(duplicated, decrypt(this.#root.privateKey, wrapKey, 'DUPLICATE'), name);
    const opened = decipher(inner, sealed);
    const integrity = unsized(opened);
    const sensitive = opened.subarray(2 + integrity.length);
    check(createHash('sha256').update(sensitive).update(name).digest(), integrity, 'inner integrity');
    if (sensitive.readUInt16BE(2) !== 0x0008) throw new Error('the key is no keyed-hash object');
    const [auth, obfuscation, key] = fields(sensitive.subarray(4)) as [Buffer, Buffer, Buffer];
    if (auth.length > 0) throw new Error('the key has an authorisation value');
    if (area.readUInt32BE(4) & 0x12) throw new Error('an imported key must not be fixed');
    if (!(area.readUInt32BE(4) & 0x40000)) throw new Error('the key may not sign');
    const unique = area.subarray(area.length - 32);
    check(createHash('sha256').update(obfuscation).update(key).digest(), unique, 'binding of public and sensitive area');
    this.identityKey = Buffer.from(key);
    this.activations++;
  }
}

function makeStorageKey(attributes: number, policy: Buffer): StorageKey {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const modulus = Buffer.from(publicKey.export({ format: 'jwk' }).n ?? '', 'base64url');
  const head = Buffer.alloc(8);
  head.writeUInt16BE(0x0001, 0);
  head.writeUInt16BE(0x000b, 2);
  head.writeUInt32BE(attributes, 4);
  // AES-128 in CFB mode, no scheme, 2048 bits, the default exponent.
  const parameters = Buffer.from('00060080004300100800 00000000'.replace(' ', ''), 'hex');
  return { privateKey, area: sizedBytes(Buffer.concat([head, sizedBytes(policy), parameters, sizedBytes(modulus)])) };
}

function nameOf(area: Buffer): Buffer {
  return Buffer.concat([area.subarray(2, 4), createHash('sha256').update(area).digest()]);
}

function decrypt(key: KeyObject, secret: Buffer, label: string): Buffer {
  const oaepLabel = Buffer.concat([Buffer.from(label), Buffer.alloc(1)]);
  return privateDecrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256', oaepLabel }, secret);
}

function unprotect(blob: Buffer, seed: Buffer, name: Buffer): Buffer {
  const mac = unsized(blob);
  const encrypted = blob.subarray(2 + mac.length);
  const macKey = derive(seed, Buffer.from('INTEGRITY\0'), Buffer.alloc(0), 256);
  check(
    createHmac('sha256', macKey)
      .update(Buffer.concat([encrypted, name]))
      .digest(),
    mac,
    'outer integrity',
  );
  return decipher(derive(seed, Buffer.from('STORAGE\0'), name, 128), encrypted);
}

// One block of SHA-256 is enough for both uses.
function derive(key: Buffer, label: Buffer, context: Buffer, bits: number): Buffer {
  const [one, length] = [Buffer.from('00000001', 'hex'), Buffer.alloc(4)];
  length.writeUInt32BE(bits);
  return createHmac('sha256', key)
    .update(Buffer.concat([one, label, context, length]))
    .digest()
    .subarray(0, bits / 8);
}

function decipher(key: Buffer, encrypted: Buffer): Buffer {
  const aes = createDecipheriv('aes-128-cfb', key, Buffer.alloc(16));
  return Buffer.concat([aes.update(encrypted), aes.final()]);
}

function check(computed: Buffer, carried: Buffer, what: string): void {
  if (!computed.equals(carried)) throw new Error(`${what} does not hold`);
}

function unsized(bytes: Buffer): Buffer {
  return bytes.subarray(2, 2 + bytes.readUInt16BE(0));
}

function sizedBytes(bytes: Buffer): Buffer {
  const size = Buffer.alloc(2);
  size.writeUInt16BE(bytes.length);
  return Buffer.concat([size, bytes]);
}

function fields(bytes: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += 2 + (found.at(-1)?.length ?? 0)) found.push(unsized(bytes.subarray(at)));
  return found;
}
