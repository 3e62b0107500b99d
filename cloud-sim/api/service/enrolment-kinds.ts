import type { EnrolmentGroup, IndividualEnrolment } from '@zerotouch/azure-wire/enrolment';
import { dpsErrors, type ServiceErrorEntry } from '@zerotouch/azure-wire/errors';
import { canonicalRegistrationId } from '@zerotouch/azure-wire/ids';
import type { RegistrationState } from '@zerotouch/azure-wire/registration';
import type { Enrolments, WriteCondition } from '../../dps/enrolments.js';
import type { Store, Table } from '../../store/store.js';
import { serviceChoices } from './choices.js';
import type { Json } from './shape.js';

/** An enrolment of either kind, as far as the service API must know. */
export interface Enrolment {
  etag?: string;
  attestation: object;
}

/** What differs between individual enrolments and groups. */
export interface EnrolmentKind {
  /** In the path, after FROM and as member of a bulk operation. */
  plural: 'enrollments' | 'enrollmentGroups';
  idMember: 'registrationId' | 'enrollmentGroupId';
  /** `x-ms-item-type` of a query's answer. Source: azure-iot-sdk-c, provisioning service client. */
  itemType: 'Enrollment' | 'EnrollmentGroup';
  notFound: ServiceErrorEntry;
  table: Table<Enrolment>;
  keyOf(id: string): string;
  /** Checks everything and writes. */
  put(body: Json, condition: WriteCondition | undefined): Promise<Enrolment>;
  /** What became of the enrolment's device; a group has none of its own. */
  stateOf(id: string): Promise<RegistrationState | undefined>;
}

/** Both kinds over one store. */
export function enrolmentKinds(store: Store, enrolments: Enrolments): readonly EnrolmentKind[] {
  return [
    {
      plural: 'enrollments',
      idMember: 'registrationId',
      itemType: 'Enrollment',
      notFound: dpsErrors.enrolmentNotFound,
      table: store.individuals as Table<IndividualEnrolment & Enrolment> as unknown as Table<Enrolment>,
      keyOf: canonicalRegistrationId,
      // The enrolments parse whatever comes.
      put: async (body, condition) => (await enrolments.putIndividual(body as unknown as IndividualEnrolment, condition)).enrolment,
      stateOf: async (id) => (await store.registrations.get(canonicalRegistrationId(id)))?.state,
    },
    {
      plural: 'enrollmentGroups',
      idMember: 'enrollmentGroupId',
      itemType: 'EnrollmentGroup',
      notFound: serviceChoices.groupNotFound.value,
      table: store.groups as Table<EnrolmentGroup & Enrolment> as unknown as Table<Enrolment>,
      keyOf: (id) => id,
      put: async (body, condition) => (await enrolments.putGroup(body as unknown as EnrolmentGroup, condition)).enrolment,
      stateOf: async () => undefined,
    },
  ];
}
