import type { EnrolmentFile, ProvisioningStatus } from '@zerotouch/azure-wire/enrolment';
import { type EnrolOptions, type EnrolSummary, enrolBatch, groupsNamed } from '../enroll/enrol-batch.js';
import type { Author, Ledger } from '../ledger/ledger.js';

/**
 * Shuts out the devices of a batch, or of one of its enrolment groups, at DPS: every enrolment is disabled, and DPS refuses its devices at their
 * next registration. A disabled group is a refusal of its own: no other group takes its devices in. Enrolments stay there, so that nobody can enrol
 * the same devices anew unnoticed; what DPS does not have is created disabled. To undo it, enrol the batch again.
 * Source: iot-dps/how-to-revoke-device-access-portal.
 * @throws as {@link enrolBatch}
 */
export function revokeBatch(file: EnrolmentFile, options: EnrolOptions): Promise<EnrolSummary> {
  const disabled = <T extends { provisioningStatus?: ProvisioningStatus }>(enrolment: T): T => ({
    ...enrolment,
    provisioningStatus: 'disabled',
  });
  return enrolBatch(
    { ...file, enrollmentGroups: file.enrollmentGroups.map(disabled), enrollments: file.enrollments.map(disabled) },
    options,
  );
}

/** Where and why it is recorded. */
export interface Recorded {
  ledger: Ledger;
  reason: string;
  author: Author;
}

/**
 * {@link revokeBatch}, recorded in the ledger first: were it cut off, the batch would count as revoked, and the same once more goes on from there.
 * @throws ManufacturingFault ENROLMENTS_UNREADABLE (no such group; nothing is recorded), DPS_*, LEDGER_*
 */
export async function revokeRecorded(
  file: EnrolmentFile,
  { ledger, reason, author }: Recorded,
  options: EnrolOptions,
): Promise<EnrolSummary> {
  // A slip of the pen must not be in the ledger for good: enrolling would be refused for a group that is nowhere.
  groupsNamed(file, options.group);
  await ledger.record({ batch: file.batch, kind: 'revoked', subject: options.group ?? '', detail: {}, reason }, author);
  return revokeBatch(file, options);
}

/**
 * Ends a revocation: enrols what the batch says, and records it once that is done.
 * @throws ManufacturingFault DPS_*, LEDGER_*
 */
export async function reinstateRecorded(
  file: EnrolmentFile,
  { ledger, reason, author }: Recorded,
  options: EnrolOptions,
): Promise<EnrolSummary> {
  const summary = await enrolBatch(file, options);
  await ledger.record({ batch: file.batch, kind: 'reinstated', subject: options.group ?? '', detail: { ...summary }, reason }, author);
  return summary;
}
