import { createHmac } from 'node:crypto';
import { dpsErrors } from '@zerotouch/azure-wire/errors';
import { canonicalRegistrationId } from '@zerotouch/azure-wire/ids';
import { sameBytes } from '@zerotouch/azure-wire/keys';
import { type SasToken, verifySas } from '@zerotouch/azure-wire/sas';
import type { Reason } from '../reasons.js';
import type { Claim, Ground, Refused, Verdict } from './claim.js';
import { tokenFlaw } from './symmetric-key.js';

/** What a device with a TPM shows: public areas as its TPM writes them, and, once challenged, a token. */
export interface TpmCredential {
  kind: 'tpm';
  endorsementKey: Uint8Array;
  storageRootKey: Uint8Array | undefined;
  /** Signed with the key of the challenge; `undefined` while there was none. */
  token: SasToken | undefined;
}

/**
 * Makes a secret readable for one TPM only: what the doors need of TPM cryptography.
 * @param key the secret, bytes
 * @returns the `authenticationKey`, bytes as the device's TPM takes them apart
 */
export type WrapForTpm = (
  key: Uint8Array,
  tpm: { endorsementKey: Uint8Array; storageRootKey: Uint8Array },
) => Uint8Array | Promise<Uint8Array>;

/** How long a challenge is good, milliseconds; the slot before counts as well. */
const SLOT_MS = 5 * 60_000;

/**
 * The keys that a challenged device may sign with now: the present one first. They follow from a secret of DPS, so that any process can judge
 * the answer to a challenge that another one gave. Pure.
 * @param now milliseconds since 1970
 */
export function challengeKeys(secret: Uint8Array, registrationId: string, endorsementKey: Uint8Array, now: number): Buffer[] {
  const slot = Math.floor(now / SLOT_MS);
  return [slot, slot - 1].map((number) =>
    createHmac('sha256', secret)
      .update(`${canonicalRegistrationId(registrationId)}\n${number}\n`)
      .update(endorsementKey)
      .digest(),
  );
}

/** Why a TPM is not challenged, or `undefined` when it may be. Pure. Source: iot-dps/concepts-tpm-attestation. */
export function endorsementFlaw({ registrationId }: Claim, endorsementKey: Uint8Array, { individual }: Ground): Refused | undefined {
  if (individual === undefined) {
    return {
      error: dpsErrors.enrolmentNotFound,
      reason: {
        rule: 'no-enrolment',
        text: `there is no individual enrolment ${JSON.stringify(registrationId)}; a TPM needs one, groups do not serve TPMs`,
        seen: registrationId,
        expected: 'an individual enrolment with attestation by TPM',
        nearest: `an individual enrolment ${JSON.stringify(registrationId)} with attestation by tpm`,
        remedy: "enrol the TPM's endorsement key under this registration id",
      },
    };
  }
  const name = `individual enrolment ${JSON.stringify(individual.registrationId)}`;
  if (individual.attestation.type !== 'tpm') {
    return {
      error: dpsErrors.unauthorized,
      reason: {
        rule: 'attestation-kind',
        text: `${name} asks for ${individual.attestation.type === 'x509' ? 'a client certificate' : 'a symmetric key'}, the device came with a TPM`,
        seen: 'an endorsement key',
        expected: `attestation by ${individual.attestation.type}`,
        nearest: `${name} with attestation by tpm`,
        remedy: 'change the attestation of the enrolment, or of the device',
      },
    };
  }
  const enrolled = Buffer.from(individual.attestation.tpm.endorsementKey, 'base64');
  if (sameBytes(enrolled, endorsementKey)) return undefined;
  return {
    error: dpsErrors.unauthorized,
    reason: {
      rule: 'tpm-endorsement-key',
      text: `the endorsement key is not the one of ${name}`,
      seen: keyWords(Buffer.from(endorsementKey)),
      expected: keyWords(enrolled),
      nearest: `the enrolled key; ${difference(enrolled, Buffer.from(endorsementKey))}`,
      remedy: "read the endorsement key from the device's TPM again, and enrol that one",
    },
  };
}

/**
 * A poll over HTTPS brings the token alone: where a TPM is enrolled, it stands for the key of that TPM. Pure.
 * @returns the claim to judge
 */
export function withEnrolledTpm(claim: Claim, individual: Ground['individual']): Claim {
  if (claim.credential.kind !== 'sas' || individual?.attestation.type !== 'tpm') return claim;
  const endorsementKey = Buffer.from(individual.attestation.tpm.endorsementKey, 'base64');
  return { ...claim, credential: { kind: 'tpm', endorsementKey, storageRootKey: undefined, token: claim.credential.token } };
}

/** Judges a claim of a TPM that answered its challenge. Pure. */
export function attestByTpm(claim: Claim, credential: TpmCredential, ground: Ground): Verdict {
  const flaw = endorsementFlaw(claim, credential.endorsementKey, ground);
  if (flaw !== undefined) return { refused: flaw };
  const { token } = credential;
  if (token === undefined) return refuse(unanswered);
  const formal = tokenFlaw(claim, token, ground.now);
  if (formal !== undefined) return refuse(formal);
  if (!ground.challengeKeys.some((key) => verifySas(token, key))) {
    return refuse({
      rule: 'sas-signature',
      text: 'the token is not signed with the key of the challenge',
      seen: 'a signature by another key',
      nearest: 'the same token signed with the key of the latest challenge',
      expected: 'HMAC-SHA256 with the key that the TPM unwrapped from authenticationKey, within ten minutes',
      remedy: 'activate the identity key anew and sign again; the storage root key must be the one that was sent',
    });
  }
  if (ground.individual === undefined) throw new Error('an endorsement key was judged without an enrolment');
  return { admitted: { source: { kind: 'individual', enrolment: ground.individual }, authentication: { type: 'tpm' } } };
}

const unanswered: Reason = {
  rule: 'credential-missing',
  text: 'the TPM was not challenged yet: the request carries no token',
  seen: 'no token',
  expected: 'the answer to the challenge: a token signed with the unwrapped key',
  nearest: 'the same request with a token signed with the key of the challenge',
  remedy: 'register: the answer brings the challenge',
};

function refuse(reason: Reason): Verdict {
  return { refused: { error: dpsErrors.unauthorizedToken, reason } };
}

function keyWords(key: Buffer): string {
  return `${key.length} bytes ending in ${key.subarray(-4).toString('hex')}`;
}

function difference(a: Buffer, b: Buffer): string {
  if (a.length !== b.length) return `differs in length, ${b.length} instead of ${a.length} bytes`;
  return `differs from byte ${a.findIndex((byte, index) => byte !== b[index])} on`;
}
