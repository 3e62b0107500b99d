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
  /** `certificate`: PEM. `metadata`: subject, issuer, thumbprints, validity. */
  certificates: { certificate: string; metadata: Record<string, unknown> }[];
  createdDateTime: string;
  lastModifiedDateTime: string;
  etag: string;
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
  x509?: { enrollmentGroupId?: string };
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
