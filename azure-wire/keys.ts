import { createHmac, timingSafeEqual } from 'node:crypto';
import { WireFault } from './errors.js';

/** Sizes of symmetric keys in bytes. Source: iot-dps/concepts-symmetric-key-attestation. */
export const KEY_BYTES = { min: 16, max: 64, generated: 64 } as const;

/**
 * The bytes of a base64 key as an enrolment holds it.
 * @throws WireFault BAD_KEY when it is no base64 or has not 16 to 64 bytes; the key itself is never in the message
 */
export function parseKey(base64: string): Buffer {
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.toString('base64').replace(/=+$/, '') !== base64.replace(/=+$/, '')) {
    throw new WireFault('BAD_KEY', 'a symmetric key is not base64', { expected: 'base64 of 16 to 64 bytes' });
  }
  if (bytes.length < KEY_BYTES.min || bytes.length > KEY_BYTES.max) {
    throw new WireFault('BAD_KEY', `a symmetric key has ${bytes.length} bytes`, { expected: 'base64 of 16 to 64 bytes' });
  }
  return bytes;
}

/**
 * The key of one device of a symmetric-key enrolment group: HMAC-SHA256 of the registration id under the group key.
 * Source: iot-dps/concepts-symmetric-key-attestation, "Group enrollments".
 * @param groupKey the group key's bytes (after base64)
 * @returns 32 bytes
 */
export function deriveDeviceKey(groupKey: Uint8Array, registrationId: string): Buffer {
  return createHmac('sha256', groupKey).update(registrationId, 'utf8').digest();
}

/** Compares two byte strings in a time that does not tell where they differ. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
