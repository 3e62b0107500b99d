import { createHash } from 'node:crypto';
import { sized, uint16, uint32 } from '@zerotouch/azure-wire/tpm-bytes';
import type { Entropy } from '@zerotouch/foundation/entropy';
import type { WrapForTpm } from '../dps/tpm.js';
import { aesCfb, encryptSeed, protect } from './protect.js';
import { ALG, nameOf, readStorageKey, type StorageKey } from './public-area.js';

/** Bytes of the key of the inner wrapper: the clients import with AES-128. */
const INNER_KEY_BYTES = 16;
/** userWithAuth, noDA, sign: a key that was made elsewhere and may be used. Source: TPM 2.0 Library, part 2, section 8.3 (TPMA_OBJECT). */
const ATTRIBUTES = 0x00040440;
const NOTHING = Buffer.alloc(0);

/**
 * Wraps keys so that one TPM alone can read them, by two ways of its own at once. The credential of `TPM2_ActivateCredential` needs the
 * endorsement key and the storage root key; it gives the key of the inner wrapper of `TPM2_Import`, which puts an HMAC key under the
 * storage root key. Layout as Azure's clients take it apart: credential blob, encrypted secret, duplicated key, encrypted wrap key, public
 * area of the key, data; each with its size before it. Source: TPM 2.0 Library, part 1, sections 23.3 and 24; azure-iot-security-tpm.
 * @throws Error when a public area is not one of an RSA storage key
 */
export function tpmWrapper(entropy: Entropy): WrapForTpm {
  return (key, tpm) => {
    const endorsement = readStorageKey(tpm.endorsementKey);
    const root = readStorageKey(tpm.storageRootKey);
    const innerKey = entropy.bytes(INNER_KEY_BYTES);
    return Buffer.concat([...credential(innerKey, endorsement, root.name, entropy), ...duplicate(key, innerKey, root, entropy), sized()]);
  };
}

/** What TPM2_MakeCredential makes: the secret comes out only where both keys are. */
function credential(secret: Uint8Array, endorsement: StorageKey, objectName: Buffer, entropy: Entropy): Buffer[] {
  const seed = entropy.bytes(digestBytes(endorsement));
  return [sized(protect(sized(secret), seed, objectName, endorsement)), sized(encryptSeed(seed, endorsement, 'IDENTITY'))];
}

/** An HMAC key as TPM2_Import takes it: inner wrapper, outer wrapper, the seed of the latter, and its public area. */
function duplicate(key: Uint8Array, innerKey: Uint8Array, parent: StorageKey, entropy: Entropy): Buffer[] {
  const obfuscation = entropy.bytes(32);
  const publicArea = hmacPublic(createHash('sha256').update(obfuscation).update(key).digest());
  const name = nameOf(publicArea, ALG.sha256);
  const sensitive = sized(uint16(ALG.keyedHash), sized(NOTHING), sized(obfuscation), sized(key));
  const integrity = createHash('sha256').update(sensitive).update(name).digest();
  const inner = aesCfb(innerKey, Buffer.concat([sized(integrity), sensitive]));
  const seed = entropy.bytes(digestBytes(parent));
  return [sized(protect(inner, seed, name, parent)), sized(encryptSeed(seed, parent, 'DUPLICATE')), sized(publicArea)];
}

/** TPMT_PUBLIC of an HMAC-SHA256 key. Source: TPM 2.0 Library, part 2, section 12.2. */
function hmacPublic(unique: Buffer): Buffer {
  const head = [uint16(ALG.keyedHash), uint16(ALG.sha256), uint32(ATTRIBUTES), sized(NOTHING)];
  return Buffer.concat([...head, uint16(ALG.hmac), uint16(ALG.sha256), sized(unique)]);
}

function digestBytes({ hash }: StorageKey): number {
  return createHash(hash).digest().length;
}
