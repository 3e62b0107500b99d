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
}

/** The reply to register and to a poll. Source: DPS device API, RegistrationOperationStatus. */
export interface RegistrationOperationStatus {
  operationId: string;
  status: RegistrationStatus;
  registrationState?: RegistrationState;
}
