import { Fault } from '@zerotouch/foundation/fault';

/** Codes of the errors this room throws itself (not Azure's). */
export type WireFaultCode =
  | 'BAD_REGISTRATION_ID'
  | 'BAD_DEVICE_ID'
  | 'BAD_ID_SCOPE'
  | 'BAD_SAS'
  | 'BAD_KEY'
  | 'BAD_USER_NAME'
  | 'BAD_TOPIC'
  | 'BAD_CONNECTION_STRING';

/** A value that does not have the form Azure IoT gives it. */
export class WireFault extends Fault<WireFaultCode> {}

/**
 * One entry of the catalogue: an answer the service gives, by its six digits (HTTP status x 1000 + detail).
 * `evidence` tells how well it is known: `documented` (Microsoft's pages), `observed` (a real reply in a public thread) or
 * `chosen` (no source; our decision, listed in docs/differences-from-azure.md).
 */
export interface ServiceErrorEntry {
  readonly code: number;
  readonly message: string;
  readonly evidence: 'documented' | 'observed' | 'chosen';
}

/** What DPS answers. Source: public threads with real replies, how-to-troubleshoot-dps, azure-sdk-for-c headers. */
export const dpsErrors = {
  badRequest: { code: 400004, message: 'Bad Request', evidence: 'observed' },
  allocationWebhookFailed: { code: 400207, message: 'Custom allocation failed', evidence: 'observed' },
  noHubAssignable: { code: 400208, message: 'No IoT hub could be assigned', evidence: 'observed' },
  hubRefusesDps: { code: 400209, message: 'IotHubUnauthorizedAccess', evidence: 'observed' },
  unauthorizedToken: { code: 401000, message: 'Unauthorized', evidence: 'observed' },
  linkedHubNotFound: { code: 401001, message: 'IotHubNotFound', evidence: 'observed' },
  unauthorized: { code: 401002, message: 'Unauthorized', evidence: 'observed' },
  invalidCertificate: { code: 401002, message: 'Invalid certificate.', evidence: 'observed' },
  enrolmentNotFound: { code: 404201, message: 'Enrollment not found', evidence: 'observed' },
  operationNotFound: { code: 404202, message: 'Operation not found', evidence: 'chosen' },
  methodNotAllowed: { code: 405000, message: 'Method not allowed', evidence: 'chosen' },
  conflict: { code: 409203, message: 'Precondition failed.', evidence: 'observed' },
  payloadTooLarge: { code: 413000, message: 'Request entity too large', evidence: 'chosen' },
  throttled: { code: 429001, message: 'Operations are being throttled for this tenant', evidence: 'chosen' },
  internal: { code: 500000, message: 'Internal server error', evidence: 'chosen' },
} as const satisfies Record<string, ServiceErrorEntry>;

/** What an IoT hub answers. Source: hub/troubleshoot-error-codes. */
export const hubErrors = {
  argumentInvalid: { code: 400004, message: 'ArgumentInvalid', evidence: 'documented' },
  replacedByNewConnection: { code: 400027, message: 'ConnectionForcefullyClosedOnNewConnection', evidence: 'documented' },
  notFound: { code: 401001, message: 'IotHubNotFound', evidence: 'documented' },
  unauthorizedAccess: { code: 401002, message: 'IotHubUnauthorizedAccess', evidence: 'documented' },
  unauthorized: { code: 401003, message: 'IotHubUnauthorized', evidence: 'documented' },
  deviceDisabled: { code: 403012, message: 'DeviceDisabled', evidence: 'documented' },
  deviceNotFound: { code: 404001, message: 'DeviceNotFound', evidence: 'documented' },
  deviceNotOnline: { code: 404103, message: 'DeviceNotOnline', evidence: 'documented' },
  invalidOperation: { code: 400003, message: 'InvalidOperation', evidence: 'documented' },
  bulkFailure: { code: 400013, message: 'BulkRegistryOperationFailure', evidence: 'documented' },
  queueFull: { code: 403004, message: 'DeviceMaximumQueueDepthExceeded', evidence: 'documented' },
  moduleNotFound: { code: 404010, message: 'ModuleNotFound', evidence: 'documented' },
  configurationNotFound: { code: 404301, message: 'ConfigurationNotFound', evidence: 'documented' },
  methodTimeout: { code: 504101, message: 'GatewayTimeout', evidence: 'documented' },
  methodNotAllowed: { code: 405000, message: 'MethodNotAllowed', evidence: 'chosen' },
  unknownPath: { code: 404000, message: 'NotFound', evidence: 'chosen' },
  deviceExists: { code: 409001, message: 'DeviceAlreadyExists', evidence: 'documented' },
  moduleExists: { code: 409301, message: 'ModuleAlreadyExistsOnDevice', evidence: 'documented' },
  configurationExists: { code: 409401, message: 'ConfigurationAlreadyExists', evidence: 'chosen' },
  preconditionFailed: { code: 412001, message: 'PreconditionFailed', evidence: 'documented' },
  lockLost: { code: 412002, message: 'DeviceMessageLockLost', evidence: 'documented' },
  tooManyDevices: { code: 403102, message: 'TooManyDevices', evidence: 'chosen' },
  tooManyModules: { code: 413003, message: 'TooManyModulesOnDevice', evidence: 'documented' },
  unsupportedMediaType: { code: 415101, message: 'UnsupportedContentType', evidence: 'chosen' },
  notSupported: { code: 501000, message: 'NotSupported', evidence: 'chosen' },
  messageTooLarge: { code: 413001, message: 'MessageTooLarge', evidence: 'documented' },
  throttled: { code: 429001, message: 'ThrottlingException', evidence: 'documented' },
  serverError: { code: 500001, message: 'ServerError', evidence: 'documented' },
} as const satisfies Record<string, ServiceErrorEntry>;

/** The error body of DPS (ProvisioningServiceErrorDetails) and of the hub's MQTT twin replies. */
export interface ServiceErrorBody {
  errorCode: number;
  trackingId: string;
  message: string;
  /** UTC, ISO 8601 with seven decimals. */
  timestampUtc: string;
  info?: Record<string, string>;
}

/** The HTTP status in a six-digit code: 401002 -> 401. */
export function httpStatusOf(errorCode: number): number {
  return Math.floor(errorCode / 1000);
}

/**
 * UTC time as the service writes it, ISO 8601 with seven decimals.
 * @param epochMs milliseconds since 1970
 */
export function timestampUtc(epochMs: number): string {
  return new Date(epochMs).toISOString().replace('Z', '0000Z');
}

/**
 * An error body as Azure sends it.
 * @param trackingId a GUID made by the caller
 * @param epochMs milliseconds since 1970
 */
export function errorBody(
  entry: ServiceErrorEntry,
  trackingId: string,
  epochMs: number,
  message: string = entry.message,
): ServiceErrorBody {
  return { errorCode: entry.code, trackingId, message, timestampUtc: timestampUtc(epochMs) };
}
