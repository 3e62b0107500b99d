import type { EnrolmentFile, ProvisioningStatus } from '@zerotouch/azure-wire/enrolment';
import { type EnrolOptions, type EnrolSummary, enrolBatch } from '../enroll/enrol-batch.js';

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
