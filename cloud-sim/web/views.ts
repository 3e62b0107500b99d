import type { EnrolmentGroup, IndividualEnrolment } from '@zerotouch/azure-wire/enrolment';
import type { RegistrationState } from '@zerotouch/azure-wire/registration';
import { namedHubs, ownPolicy } from '../dps/named-hubs.js';
import type { Attempt } from '../reasons.js';
import { rules } from '../rules.js';
import type { AttemptView, EnrolmentView, RegistrationView } from './shapes.js';

/** An enrolment as it may be seen: what it holds is named one by one, so that nothing secret comes along. */
export function enrolmentView(enrolment: EnrolmentGroup | IndividualEnrolment): EnrolmentView {
  const isGroup = 'enrollmentGroupId' in enrolment;
  const { attestation, provisioningStatus, capabilities, lastUpdatedDateTimeUtc, initialTwin } = enrolment;
  return {
    kind: isGroup ? 'group' : 'individual',
    id: isGroup ? enrolment.enrollmentGroupId : enrolment.registrationId,
    attestation: attestation.type,
    enabled: provisioningStatus !== 'disabled',
    allocationPolicy: ownPolicy(enrolment) ?? null,
    iotHubs: [...(namedHubs(enrolment) ?? [])],
    iotEdge: capabilities?.iotEdge ?? false,
    lastUpdatedDateTimeUtc: lastUpdatedDateTimeUtc ?? null,
    initialTwin: initialTwin ?? null,
  };
}

/** A registration as it may be seen: a TPM's wrapped key and what webhooks send are for the device alone. */
export function registrationView(state: RegistrationState): RegistrationView {
  const { registrationId, status, substatus, assignedHub, deviceId, createdDateTimeUtc, lastUpdatedDateTimeUtc } = state;
  const group = state.x509?.enrollmentGroupId ?? state.symmetricKey?.enrollmentGroupId;
  return {
    registrationId,
    status,
    ...(substatus === undefined ? {} : { substatus }),
    ...(assignedHub === undefined ? {} : { assignedHub }),
    ...(deviceId === undefined ? {} : { deviceId }),
    ...(createdDateTimeUtc === undefined ? {} : { createdDateTimeUtc }),
    ...(lastUpdatedDateTimeUtc === undefined ? {} : { lastUpdatedDateTimeUtc }),
    ...(state.errorCode === undefined ? {} : { errorCode: state.errorCode }),
    ...(state.errorMessage === undefined ? {} : { errorMessage: state.errorMessage }),
    ...(group === undefined ? {} : { enrolmentGroup: group }),
  };
}

/** An attempt with what its rule means; a reason without a remedy of its own gets the rule's. */
export function attemptView(attempt: Attempt): AttemptView {
  const { means, remedy } = rules[attempt.reason.rule];
  return { ...attempt, means, reason: { remedy, ...attempt.reason } };
}
