/** Which rule decided. Stable names: users filter by them, tests assert them. */
export type Rule =
  | 'assigned'
  | 'signed-in'
  | 'user-name'
  | 'api-version'
  | 'client-id'
  | 'id-scope'
  | 'registration-id'
  | 'credential-missing'
  | 'request-body'
  | 'request-id'
  | 'request-size'
  | 'csr-policy'
  | 'csr-form'
  | 'csr-name'
  | 'csr-signature'
  | 'will-unsupported'
  | 'attestation-kind'
  | 'no-enrolment'
  | 'enrolment-disabled'
  | 'operation-unknown'
  | 'registration-unknown'
  | 'internal'
  | 'sas-form'
  | 'sas-resource'
  | 'sas-key-name'
  | 'sas-expired'
  | 'sas-signature'
  | 'sas-group-key'
  | 'sas-key-text'
  | 'sas-other-id'
  | 'x509-common-name'
  | 'x509-not-yet-valid'
  | 'x509-expired'
  | 'x509-other-certificate'
  | 'x509-chain-gap'
  | 'x509-chain-invalid'
  | 'x509-ca-expired'
  | 'x509-same-name'
  | 'x509-no-proof'
  | 'no-hub'
  | 'hub-unlinked'
  | 'hub-taken-out'
  | 'hub-deleted'
  | 'hub-rights'
  | 'hub-unreachable'
  | 'hub-full'
  | 'static-hubs'
  | 'webhook-status'
  | 'webhook-timeout'
  | 'webhook-unreachable'
  | 'webhook-answer'
  | 'webhook-hub'
  | 'throttled-registrations'
  | 'throttled-operations'
  | 'throttled-polls'
  | 'tpm-endorsement-key'
  | 'tpm-keys'
  | 'hub-unknown'
  | 'hub-stranger'
  | 'hub-moved'
  | 'hub-policy'
  | 'device-disabled'
  | 'module-unknown'
  | 'x509-hub-common-name'
  | 'x509-hub-authority'
  | 'connection-replaced'
  | 'identity-shared'
  | 'throttled-hub';

/** The real reason behind an answer; every part is safe to print. Azure never tells this, the local cloud keeps it. */
export interface Reason {
  rule: Rule;
  /** One line for people. */
  text: string;
  /** The value that was met. */
  seen?: string;
  /** What would have been accepted. */
  expected?: string;
  /** The one value closest to what was met that would have passed, and what it differs in. */
  nearest?: string;
  /** What the developer can do about it. */
  remedy?: string;
  /** Hubs that could not get the device, each with its own rule. */
  skipped?: readonly { host: string; rule: Rule; text: string }[];
}

/** What went over the wire: a CONNACK return code, or a status with the six-digit code in its body. */
export type WireAnswer = { connack: number } | { status: number; errorCode?: number };

/** How a device reached a service. */
export type Transport = 'mqtt' | 'mqtt-ws' | 'amqp' | 'amqp-ws' | 'http';

/** One attempt of a device at DPS or at a hub, as the cloud saw it. */
export interface Attempt {
  /** UTC, ISO 8601 with seven decimals. */
  at: string;
  service: 'dps' | 'hub';
  /** Host name of the service that answered. */
  host: string;
  transport: Transport;
  /** Registration id at DPS, device id at a hub; as the device wrote it. */
  id: string;
  /** `dropped`: it was connected, and its hub ended that. */
  outcome: 'assigned' | 'signed-in' | 'failed' | 'refused' | 'dropped';
  wire: WireAnswer;
  reason: Reason;
}

/** A few of many names, for people. */
export function listed(names: readonly string[]): string {
  const shown = names.slice(0, 3).map((name) => JSON.stringify(name));
  return names.length > 3 ? `${shown.join(', ')} and ${names.length - 3} more` : shown.join(', ');
}
