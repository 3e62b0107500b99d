import type { EnrolmentGroup, IndividualEnrolment, ProvedCertificate } from '@zerotouch/azure-wire/enrolment';
import { canonicalRegistrationId } from '@zerotouch/azure-wire/ids';
import type { Enrolments } from '../dps/enrolments.js';
import { type Paged, type PageWish, pageOf } from '../store/paged.js';
import type { Store } from '../store/store.js';

/** A CA certificate to upload; without `verification` it stays unproved. */
export type CertificateUpload = Omit<ProvedCertificate, 'verification'> & Partial<Pick<ProvedCertificate, 'verification'>>;

/** The enrolments of the local DPS, in Azure's shape. Keys that a symmetric-key enrolment leaves out are generated. */
export interface EnrolmentService {
  /** @throws CloudFault BAD_ENROLMENT, NOT_SERVED, CERTIFICATE_UNREADABLE, CERTIFICATE_UNPROVED (no CA), CERTIFICATE_UNKNOWN, ETAG_MISMATCH */
  putGroup(group: EnrolmentGroup): Promise<EnrolmentGroup>;
  /** @throws CloudFault BAD_ENROLMENT, NOT_SERVED, CERTIFICATE_UNREADABLE, ETAG_MISMATCH */
  putIndividual(enrolment: IndividualEnrolment): Promise<IndividualEnrolment>;
  getGroup(enrollmentGroupId: string): Promise<EnrolmentGroup | undefined>;
  getIndividual(registrationId: string): Promise<IndividualEnrolment | undefined>;
  groups(): Promise<EnrolmentGroup[]>;
  individuals(): Promise<IndividualEnrolment[]>;
  /** The same, a page at a time. */
  individualsPage(wish: PageWish): Promise<Paged<IndividualEnrolment>>;
  /** @returns whether there was one */
  deleteGroup(enrollmentGroupId: string): Promise<boolean>;
  deleteIndividual(registrationId: string): Promise<boolean>;
  /** @throws CloudFault CERTIFICATE_UNPROVED when it is no CA, or there is a verification and it proves nothing */
  putCertificate(certificate: CertificateUpload): Promise<void>;
  deleteCertificate(name: string): Promise<boolean>;
}

/** What operators do at DPS. Records go out as copies: the store's own are never changed in place. */
export function enrolmentService(store: Store, enrolments: Enrolments): EnrolmentService {
  return {
    putGroup: async (group) => structuredClone((await enrolments.putGroup(group)).enrolment),
    putIndividual: async (individual) => structuredClone((await enrolments.putIndividual(individual)).enrolment),
    getGroup: async (id) => structuredClone(await store.groups.get(id)),
    getIndividual: async (id) => structuredClone(await store.individuals.get(canonicalRegistrationId(id))),
    groups: async () => structuredClone(await store.groups.list()),
    individuals: async () => structuredClone(await store.individuals.list()),
    individualsPage: async ({ startsWith, ...wish }) => {
      const canonical = startsWith === undefined ? undefined : canonicalRegistrationId(startsWith);
      return structuredClone(await pageOf(store.individuals, { ...wish, startsWith: canonical }));
    },
    deleteGroup: (id) => store.groups.delete(id),
    deleteIndividual: (id) => store.individuals.delete(canonicalRegistrationId(id)),
    putCertificate: (certificate) => enrolments.putCertificate(certificate),
    deleteCertificate: (name) => store.certificates.delete(name),
  };
}
