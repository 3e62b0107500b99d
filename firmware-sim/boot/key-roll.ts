import type { Attestation } from '../identity/attestation.js';
import type { DpsOutcome } from './ports.js';

/**
 * Registers with the key that DPS took last and, when that is refused for certain, once with the other: an operator rolls one key of an
 * enrolment at a time. A device with one key, a certificate or a TPM registers as ever.
 * @param second whether the secondary key was taken last
 * @returns the last answer, and whether the secondary key is the one that was taken
 */
export async function registerWithEitherKey(
  attestation: Attestation,
  second: boolean,
  register: (attestation: Attestation) => Promise<DpsOutcome>,
): Promise<{ readonly outcome: DpsOutcome; readonly second: boolean }> {
  if (attestation.kind !== 'symmetric-key' || attestation.secondary === undefined) return { outcome: await register(attestation), second };
  const keys = [attestation.key, attestation.secondary] as const;
  const outcome = await register({ kind: 'symmetric-key', key: keys[second ? 1 : 0] });
  if (outcome.outcome !== 'refused') return { outcome, second };
  const other = await register({ kind: 'symmetric-key', key: keys[second ? 0 : 1] });
  return other.outcome === 'assigned' ? { outcome: other, second: !second } : { outcome: other, second };
}

/** The attestation with the key that was taken, for the hub: DPS gives it the keys of the enrolment. */
export function withKey(attestation: Attestation, second: boolean): Attestation {
  if (attestation.kind !== 'symmetric-key' || attestation.secondary === undefined) return attestation;
  return { kind: 'symmetric-key', key: second ? attestation.secondary : attestation.key };
}
