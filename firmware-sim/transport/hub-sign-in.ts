import type { Clock } from '@zerotouch/foundation/clock';
import type { Assignment } from '../boot/kept.js';
import type { Failure } from '../boot/ports.js';
import type { Identity } from '../identity/identity.js';
import { hubToken } from './sign-in.js';

/** What signs in to a hub: a token, or nothing where the certificate does. */
export type HubSignIn = { readonly outcome: 'signed'; readonly token: string | undefined } | Failure;

/**
 * Signs the token for a hub. A TPM that holds no key for it (it was cleared, or is another one) is as good as a refusal: only a new registration
 * gives it one.
 */
export async function signInToHub({ attestation }: Identity, assignment: Assignment, clock: Clock): Promise<HubSignIn> {
  try {
    return { outcome: 'signed', token: await hubToken(attestation, assignment, clock) };
  } catch (error) {
    return { outcome: 'refused', detail: `the TPM did not sign for the hub: ${error instanceof Error ? error.message : String(error)}` };
  }
}
