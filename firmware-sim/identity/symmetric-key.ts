import { KEY_BYTES } from '@zerotouch/azure-wire/keys';
import type { Attestation } from './attestation.js';
import { IdentityFault } from './faults.js';

/**
 * The key a device signs its tokens with.
 * @param key the device's own key, bytes
 * @throws IdentityFault IDENTITY_SYMMETRIC_KEY
 */
export function symmetricKeyAttestation(key: Uint8Array): Attestation {
  if (key.length < KEY_BYTES.min || key.length > KEY_BYTES.max) {
    throw new IdentityFault('IDENTITY_SYMMETRIC_KEY', `the symmetric key has ${key.length} bytes`, {
      where: 'partition fctry, sym_key',
      expected: `${KEY_BYTES.min} to ${KEY_BYTES.max} bytes`,
      remedy: 'burn the device again',
    });
  }
  return { kind: 'symmetric-key', key };
}
