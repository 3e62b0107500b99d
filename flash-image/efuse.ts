import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { ImageFault } from './faults.js';

/** Bytes of the eFuse block (purpose HMAC_UP) from which a chip derives its keys. */
export const EFUSE_SIZE = 32;
/** Name extension of the file that stands for a chip's eFuse: the bare bytes, as `espefuse.py burn_key` takes them. */
export const EFUSE_EXTENSION = '.efuse';

const TAG_SIZE = 16;
const IV_SIZE = 16;

// Messages of the HMAC peripheral, byte for byte. Source: esp-idf nvs_sec_provider (seeds AEBE5A5A and CEDEA5A5 as little-endian words);
// esp_secure_cert_mgr, esp_secure_cert_tlv_read.c (all FF for the key, words ABCDABCD for the IV).
const DATA_KEY_MESSAGE = message('5a5abeae');
const TWEAK_KEY_MESSAGE = message('a5a5dece');
const CERT_KEY_MESSAGE = message('ffffffff');
const CERT_IV_MESSAGE = message('cdabcdab');

/** Where the eFuse of an image's device is kept: beside the image, `pump-1.bin` and `pump-1.efuse`. */
export function efusePath(imagePath: string): string {
  return `${imagePath.replace(/\.bin$/, '')}${EFUSE_EXTENSION}`;
}

/**
 * The eFuse that lies beside an image, `undefined` where there is none: an image that is not encrypted for a chip. Secret.
 * @throws ImageFault EFUSE_SIZE, EFUSE_IO
 */
export function readEfuseBeside(imagePath: string): Buffer | undefined {
  const path = efusePath(imagePath);
  let efuse: Buffer;
  try {
    // Most images have none, and an error costs ten times the question.
    if (statSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
    efuse = readFileSync(path);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') return undefined;
    throw new ImageFault('EFUSE_IO', `the eFuse cannot be read (${code})`, { where: path, cause });
  }
  checkEfuse(efuse, path);
  return efuse;
}

/** Throws an {@link ImageFault} `EFUSE_SIZE` for anything but 32 bytes; the bytes are never told. */
export function checkEfuse(efuse: Uint8Array, where = 'eFuse'): void {
  if (efuse.length === EFUSE_SIZE) return;
  throw new ImageFault('EFUSE_SIZE', 'this is not the contents of an eFuse key block', {
    where,
    seen: `${efuse.length} bytes`,
    expected: `${EFUSE_SIZE} bytes`,
  });
}

/** What the chip derives for NVS encryption: the data key, then the tweak key, 32 bytes each. Secret. */
export function deriveNvsKeys(efuse: Uint8Array): { dataKey: Buffer; tweakKey: Buffer } {
  checkEfuse(efuse);
  return { dataKey: hmac(efuse, DATA_KEY_MESSAGE), tweakKey: hmac(efuse, TWEAK_KEY_MESSAGE) };
}

/**
 * Encrypts a value of esp_secure_cert for one chip: AES-256-GCM without additional data, the tag of 16 bytes at the end.
 * Key and IV both come from the eFuse, so a chip must hold one such value only: a second one would repeat the IV.
 * Source: esp_secure_cert_mgr, esp_secure_cert_tlv_write.c.
 */
export function sealForEfuse(efuse: Uint8Array, value: Uint8Array): Buffer {
  checkEfuse(efuse);
  const cipher = createCipheriv('aes-256-gcm', hmac(efuse, CERT_KEY_MESSAGE), certIv(efuse));
  return Buffer.concat([cipher.update(value), cipher.final(), cipher.getAuthTag()]);
}

/** The value that {@link sealForEfuse} encrypted, `undefined` when the eFuse is another one or the bytes were changed. */
export function openWithEfuse(efuse: Uint8Array, sealed: Uint8Array): Buffer | undefined {
  checkEfuse(efuse);
  if (sealed.length < TAG_SIZE) return undefined;
  const end = sealed.length - TAG_SIZE;
  const decipher = createDecipheriv('aes-256-gcm', hmac(efuse, CERT_KEY_MESSAGE), certIv(efuse), { authTagLength: TAG_SIZE });
  decipher.setAuthTag(sealed.subarray(end));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(0, end)), decipher.final()]);
  } catch {
    return undefined;
  }
}

function certIv(efuse: Uint8Array): Buffer {
  return hmac(efuse, CERT_IV_MESSAGE).subarray(0, IV_SIZE);
}

function hmac(key: Uint8Array, text: Buffer): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

function message(pattern: string): Buffer {
  return Buffer.from(pattern.repeat(8), 'hex');
}
