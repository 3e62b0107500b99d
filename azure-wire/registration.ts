/** Where a registration stands. Source: DPS device API, RegistrationStatus. */
export type RegistrationStatus = 'unassigned' | 'assigning' | 'assigned' | 'failed' | 'disabled';

/** How an assignment came about. Source: DPS device API. */
export type RegistrationSubstatus = 'initialAssignment' | 'deviceDataMigrated' | 'deviceDataReset' | 'reprovisionedToInitialAssignment';

/** What a device sends to register: may be empty over MQTT, the id then comes from the connection. */
export interface DeviceRegistration {
  registrationId?: string;
  /** What custom allocation gets to see of the device. */
  payload?: unknown;
  /** Public areas of the endorsement and storage root keys, base64; HTTPS and AMQP only. */
  tpm?: { endorsementKey: string; storageRootKey?: string };
  /**
   * Asks for a certificate: PKCS#10 in DER, base64 without PEM armour, its common name the registration id. Source: DPS device API,
   * 2025-07-01-preview.
   */
  csr?: string;
}

/** Certificates that a device shall trust, as it is told them. Source: DPS device API, 2021-11-01-preview. */
export interface TrustBundle {
  id: string;
  /** `certificate`: PEM. */
  certificates: { certificate: string; metadata: X509CertificateInfo }[];
  createdDateTime: string;
  lastModifiedDateTime: string;
  etag: string;
}

/** What DPS shows of a certificate. Source: DPS device API, X509CertificateInfo. */
export interface X509CertificateInfo {
  /** Names in one line. */
  subjectName: string;
  /** Upper-case hexadecimal, as all below that is hexadecimal. */
  sha1Thumbprint: string;
  sha256Thumbprint: string;
  issuerName: string;
  /** UTC, ISO 8601. */
  notBeforeUtc: string;
  notAfterUtc: string;
  serialNumber: string;
  version: number;
}

/** By which certificates a device was let in. Source: DPS device API, X509RegistrationResult. */
export interface X509RegistrationResult {
  enrollmentGroupId?: string;
  /** The device's own. */
  certificateInfo?: X509CertificateInfo;
  /** The one that the enrolment group trusts. */
  signingCertificateInfo?: X509CertificateInfo;
}

/** What DPS knows of a device's registration. Source: DPS device API, DeviceRegistrationResult. */
export interface RegistrationState {
  registrationId: string;
  createdDateTimeUtc?: string;
  assignedHub?: string;
  deviceId?: string;
  status: RegistrationStatus;
  substatus?: RegistrationSubstatus;
  errorCode?: number;
  errorMessage?: string;
  lastUpdatedDateTimeUtc?: string;
  etag?: string;
  /** What custom allocation sends the device. */
  payload?: unknown;
  x509?: X509RegistrationResult;
  symmetricKey?: { enrollmentGroupId?: string };
  /** `authenticationKey`: the device's hub key, wrapped so that only its TPM can read it; base64. */
  tpm?: { authenticationKey?: string };
  /** Certificates issued for the device's `csr`, base64 of DER: leaf first, root last. Source: DPS device API, 2025-07-01-preview. */
  issuedCertificateChain?: string[];
  /** Source: DPS device API, 2021-11-01-preview; in no other version. */
  trustBundle?: TrustBundle;
}

/** The reply to register and to a poll. Source: DPS device API, RegistrationOperationStatus. */
export interface RegistrationOperationStatus {
  operationId: string;
  status: RegistrationStatus;
  registrationState?: RegistrationState;
}
