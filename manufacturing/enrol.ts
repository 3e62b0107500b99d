import type {
  AttestationMechanism,
  EnrolmentFile,
  EnrolmentGroup,
  IndividualEnrolment,
  InitialTwin,
  ProvedCertificate,
} from '@zerotouch/azure-wire/enrolment';
import type { CertificateSource, CredentialSource, EnrolmentKeys, OwnKeys, TpmCredentials, X509Credentials } from './credentials.js';
import type { PlannedDevice } from './plan.js';
import type { BatchSpec, GroupSpec } from './spec-schema.js';

/** What the enrolments of a batch are built from. */
export interface Enrolled {
  certificates: ProvedCertificate[];
  /** Each group of the spec with the source of its credentials. */
  sources: ReadonlyMap<GroupSpec, CredentialSource>;
  individuals: IndividualEnrolment[];
}

/** The enrolments of a batch in Azure's spelling. Secret where there are symmetric keys. */
export function enrolmentFile({ batch, idScope }: BatchSpec, { certificates, sources, individuals }: Enrolled): EnrolmentFile {
  const enrollmentGroups = [...sources].flatMap(([group, source]) => enrolGroup(group, source, certificates));
  return { version: 1, batch, idScope, certificates, enrollmentGroups, enrollments: individuals };
}

/** The enrolment of one device, with its certificate or its own keys. */
export function enrolIndividually(
  { registrationId, group }: PlannedDevice,
  credentials: Pick<X509Credentials, 'kind' | 'leafPem'> | OwnKeys | TpmCredentials,
): IndividualEnrolment {
  return { registrationId, attestation: attestationOf(credentials), ...policyOf(group) };
}

function attestationOf(credentials: Pick<X509Credentials, 'kind' | 'leafPem'> | OwnKeys | TpmCredentials): AttestationMechanism {
  switch (credentials.kind) {
    case 'own-keys':
      return symmetricKey(credentials.keys);
    case 'tpm':
      return { type: 'tpm', tpm: { endorsementKey: credentials.endorsementKey } };
    case 'x509':
      return { type: 'x509', x509: { clientCertificates: { primary: { certificate: credentials.leafPem } } } };
  }
}

function enrolGroup(group: GroupSpec, source: CredentialSource, certificates: readonly ProvedCertificate[]): EnrolmentGroup[] {
  if (group.enrolmentGroup === undefined || source.kind === 'own-keys' || source.kind === 'endorsement-keys') return [];
  const attestation = source.kind === 'group-keys' ? symmetricKey(source.keys) : signedBy(source, certificates);
  return [{ enrollmentGroupId: group.enrolmentGroup, attestation, ...policyOf(group) }];
}

/** DPS holds an intermediate in the group itself; a CA that is uploaded and proved by itself is named. */
function signedBy({ line, enrolled = line, rootPem }: CertificateSource, certificates: readonly ProvedCertificate[]): AttestationMechanism {
  const proved = enrolled.pem === rootPem ? certificates.find(({ certificate }) => certificate === rootPem) : undefined;
  if (proved !== undefined) return { type: 'x509', x509: { caReferences: { primary: proved.name } } };
  return { type: 'x509', x509: { signingCertificates: { primary: { certificate: enrolled.pem } } } };
}

function symmetricKey({ primary, secondary }: EnrolmentKeys): AttestationMechanism {
  return { type: 'symmetricKey', symmetricKey: { primaryKey: primary.toString('base64'), secondaryKey: secondary.toString('base64') } };
}

function policyOf(group: GroupSpec): Omit<EnrolmentGroup, 'enrollmentGroupId' | 'attestation'> {
  const { provisioningStatus, allocationPolicy, iotHubs, initialTwin } = group;
  return {
    provisioningStatus,
    ...(allocationPolicy === undefined ? {} : { allocationPolicy }),
    ...(iotHubs === undefined ? {} : { iotHubs }),
    ...(initialTwin === undefined ? {} : { initialTwin: twinOf(initialTwin) }),
  };
}

function twinOf({ tags, desired }: NonNullable<GroupSpec['initialTwin']>): InitialTwin {
  return { ...(tags === undefined ? {} : { tags }), ...(desired === undefined ? {} : { properties: { desired } }) };
}
