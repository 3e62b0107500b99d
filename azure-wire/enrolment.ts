import type { JsonObject } from './twin.js';

/** Which hub a device gets. Source: DPS service API 2021-10-01. */
export type AllocationPolicy = 'hashed' | 'geoLatency' | 'static' | 'custom';
export type ProvisioningStatus = 'enabled' | 'disabled';

/** A certificate as an enrolment carries it: PEM text, or base64 of PEM or DER. */
export interface EnrolledCertificate {
  certificate: string;
}

/** How a device of this enrolment proves who it is. Source: DPS service API 2021-10-01, AttestationMechanism. */
export type AttestationMechanism =
  | {
      type: 'x509';
      x509: {
        clientCertificates?: { primary?: EnrolledCertificate; secondary?: EnrolledCertificate };
        signingCertificates?: { primary?: EnrolledCertificate; secondary?: EnrolledCertificate };
        caReferences?: { primary?: string; secondary?: string };
      };
    }
  | { type: 'symmetricKey'; symmetricKey: { primaryKey?: string; secondaryKey?: string } }
  /** Individual enrolments only. Keys are base64 of public areas as the TPM writes them. Source: iot-dps/concepts-tpm-attestation. */
  | { type: 'tpm'; tpm: { endorsementKey: string; storageRootKey?: string } };

/** The webhook that decides in custom allocation. Source: DPS service API 2021-10-01, CustomAllocationDefinition. */
export interface CustomAllocationDefinition {
  /** May carry a function key in its query: a secret. */
  webhookUrl: string;
  /** Of the request that the webhook gets, 2018-09-01-preview or newer. */
  apiVersion: string;
}

/** What a hub device starts with. */
export interface InitialTwin {
  tags?: JsonObject;
  properties?: { desired?: JsonObject };
}

/** What happens to an assigned device that registers again. Both default to true. */
export interface ReprovisionPolicy {
  updateHubAssignment: boolean;
  migrateDeviceData: boolean;
}

interface EnrolmentBase {
  attestation: AttestationMechanism;
  provisioningStatus?: ProvisioningStatus;
  reprovisionPolicy?: ReprovisionPolicy;
  allocationPolicy?: AllocationPolicy;
  iotHubs?: string[];
  /** The one hub, as clients before `iotHubs` named it. */
  iotHubHostName?: string;
  customAllocationDefinition?: CustomAllocationDefinition;
  initialTwin?: InitialTwin;
  capabilities?: { iotEdge: boolean };
  /** Policy that issues a certificate to a device that sends a `csr`. Source: DPS service API, 2025-07-01-preview. */
  credentialPolicyName?: string;
  /** Trust bundle that the device is told. Source: DPS service API, 2021-11-01-preview. */
  trustBundleId?: string;
  etag?: string;
  createdDateTimeUtc?: string;
  lastUpdatedDateTimeUtc?: string;
}

/** An individual enrolment in Azure's spelling. Source: DPS service API 2021-10-01, IndividualEnrollment. */
export interface IndividualEnrolment extends EnrolmentBase {
  registrationId: string;
  deviceId?: string;
  /** The operator's own notes; never shown to the device. */
  optionalDeviceInformation?: JsonObject;
}

/** An enrolment group in Azure's spelling. Source: DPS service API 2021-10-01, EnrollmentGroup. */
export interface EnrolmentGroup extends EnrolmentBase {
  enrollmentGroupId: string;
}

/**
 * A CA certificate with its proof of possession: a certificate whose common name is the verification code, signed by the CA's key.
 * Source: iot-dps/how-to-verify-certificates.
 */
export interface ProvedCertificate {
  name: string;
  /** PEM. */
  certificate: string;
  verification: { code: string /** PEM. */; certificate: string };
}

/** The file name of an {@link EnrolmentFile} in the folder of a burnt batch. */
export const ENROLMENT_FILE = 'enrolments.json';

/**
 * What the factory hands to DPS with a batch: the contents of `enrolments.json`. It holds symmetric keys of groups, so the
 * file is 0600.
 */
export interface EnrolmentFile {
  version: 1;
  batch: string;
  idScope: string;
  certificates: ProvedCertificate[];
  enrollmentGroups: EnrolmentGroup[];
  enrollments: IndividualEnrolment[];
}
