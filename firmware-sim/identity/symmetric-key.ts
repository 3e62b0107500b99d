import { KEY_BYTES } from '@zerotouch/azure-wire/keys';
import type { Attestation } from './attestation.js';
import { IdentityFault } from './faults.js';

/**
 * The key a device signs its tokens with.
 * @param key the device's own key, bytes
 * @param secondary the other key of its enrolment
 * @throws IdentityFault IDENTITY_SYMMETRIC_KEY
 */
export function symmetricKeyAttestation(key: Uint8Array, secondary?: Uint8Array): Attestation {
  check(key, 'sym_key');
  if (secondary === undefined) return { kind: 'symmetric-key', key };
  check(secondary, 'sym_key2');
  return { kind: 'symmetric-key', key, secondary };
}

function check(key: Uint8Array, name: string): void {
  if (key.length < KEY_BYTES.min || key.length > KEY_BYTES.max) {
    throw new IdentityFault('IDENTITY_SYMMETRIC_KEY', `the symmetric key has ${key.length} bytes`, {
      where: `partition fctry, ${name}`,
      expected: `${KEY_BYTES.min} to ${KEY_BYTES.max} bytes`,
      remedy: 'burn the device again',
    });
  }
}
