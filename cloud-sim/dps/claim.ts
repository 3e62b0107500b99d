import type { EnrolmentGroup, IndividualEnrolment } from '@zerotouch/azure-wire/enrolment';
import type { ServiceErrorEntry } from '@zerotouch/azure-wire/errors';
import type { X509RegistrationResult } from '@zerotouch/azure-wire/registration';
import type { Credential } from '../credentials.js';
import type { Reason } from '../reasons.js';
import type { CertificateRecord, DeviceAuthentication } from '../store/store.js';
import type { TpmCredential } from './tpm.js';

/** Who wants to register, and by what. */
export interface Claim {
  idScope: string;
  /** As the device wrote it. */
  registrationId: string;
  apiVersion: string;
  credential: Credential | TpmCredential;
}

/** What DPS knows that bears on a claim. */
export interface Ground {
  /** The individual enrolment of this registration id. */
  individual: IndividualEnrolment | undefined;
  /** All groups, in order of their ids. */
  groups: readonly EnrolmentGroup[];
  certificates: readonly CertificateRecord[];
  /** Keys that the answer to a TPM's challenge may be signed with. */
  challengeKeys: readonly Uint8Array[];
  /** Milliseconds since 1970. */
  now: number;
}

/** The enrolment that decides. */
export type Source = { kind: 'individual'; enrolment: IndividualEnrolment } | { kind: 'group'; enrolment: EnrolmentGroup };

/** Let in: by which enrolment, and how the device will prove itself to its hub. */
export interface Admitted {
  source: Source;
  /** `tpm`: by a key that is made for it and wrapped for its TPM. */
  authentication: DeviceAuthentication | { type: 'tpm' };
  /** By which certificates, if by any. */
  x509?: Pick<X509RegistrationResult, 'certificateInfo' | 'signingCertificateInfo'>;
}

/** What a device showed of itself, as it is told in JSON: keys of a TPM in base64. */
export interface Shown {
  x509?: Admitted['x509'];
  tpm?: { endorsementKey: string; storageRootKey?: string };
}

/** What a device that was let in showed. Pure. */
export function shownBy({ x509 }: Admitted, { credential }: Claim): Shown {
  if (credential.kind !== 'tpm') return x509 === undefined ? {} : { x509 };
  const base64 = (area: Uint8Array): string => Buffer.from(area).toString('base64');
  const { endorsementKey, storageRootKey } = credential;
  const root = storageRootKey === undefined ? {} : { storageRootKey: base64(storageRootKey) };
  return { tpm: { endorsementKey: base64(endorsementKey), ...root } };
}

/** Kept out: what is answered, and why in truth. */
export interface Refused {
  error: ServiceErrorEntry;
  reason: Reason;
}

export type Verdict = { admitted: Admitted } | { refused: Refused };

/** An enrolment by kind and id, for people. */
export function sourceName(source: Source): string {
  return source.kind === 'individual'
    ? `individual enrolment ${JSON.stringify(source.enrolment.registrationId)}`
    : `enrolment group ${JSON.stringify(source.enrolment.enrollmentGroupId)}`;
}

/** The id of an enrolment. */
export function sourceId(source: Source): string {
  return source.kind === 'individual' ? source.enrolment.registrationId : source.enrolment.enrollmentGroupId;
}
