import { constants, createCipheriv, createHmac, publicEncrypt } from 'node:crypto';
import { sized, uint32 } from '@zerotouch/azure-wire/tpm-bytes';
import type { StorageKey } from './public-area.js';

const NOTHING = Buffer.alloc(0);

/**
 * Key derivation. Source: TPM 2.0 Library, part 1, section 11.4.10.2 (KDFa); NIST SP 800-108, counter mode.
 * @param bits length of the result
 */
export function kdfa(hash: string, key: Uint8Array, label: string, contextU: Uint8Array, contextV: Uint8Array, bits: number): Buffer {
  const blocks: Buffer[] = [];
  for (let length = 0; length * 8 < bits; ) {
    const block = createHmac(hash, key)
      .update(uint32(blocks.length + 1))
      .update(`${label}\0`)
      .update(contextU)
      .update(contextV)
      .update(uint32(bits))
      .digest();
    blocks.push(block);
    length += block.length;
  }
  return Buffer.concat(blocks).subarray(0, bits / 8);
}

/** AES in CFB mode from a zero vector, as the TPM protects what is encrypted with a key of one use. */
export function aesCfb(key: Uint8Array, plain: Uint8Array): Buffer {
  const cipher = createCipheriv(`aes-${key.length * 8}-cfb`, key, Buffer.alloc(16));
  return Buffer.concat([cipher.update(plain), cipher.final()]);
}

/**
 * Encrypts a seed to a storage key. Source: TPM 2.0 Library, part 1, annex B.4 (RSAES_OAEP) and B.10.
 * @param label what the seed is for
 */
export function encryptSeed(seed: Uint8Array, to: StorageKey, label: string): Buffer {
  const { key, hash } = to;
  return publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: hash, oaepLabel: Buffer.from(`${label}\0`) }, seed);
}

/**
 * Encrypts and authenticates with keys that follow from a seed and the name of an object: TPM2B_DIGEST of the HMAC, then the ciphertext.
 * Source: TPM 2.0 Library, part 1, sections 23.3.2.4 (outer duplication wrapper) and 24 (credential protection).
 */
export function protect(plain: Uint8Array, seed: Uint8Array, objectName: Uint8Array, { hash, symmetricBits }: StorageKey): Buffer {
  const encrypted = aesCfb(kdfa(hash, seed, 'STORAGE', objectName, NOTHING, symmetricBits), plain);
  const integrityKey = kdfa(hash, seed, 'INTEGRITY', NOTHING, NOTHING, seed.length * 8);
  return Buffer.concat([sized(createHmac(hash, integrityKey).update(encrypted).update(objectName).digest()), encrypted]);
}
