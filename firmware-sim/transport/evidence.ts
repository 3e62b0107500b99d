import { httpStatusOf } from '@zerotouch/azure-wire/errors';
import type { RegistrationState } from '@zerotouch/azure-wire/registration';
import { isJsonObject } from '@zerotouch/azure-wire/twin';
import type { Failure, FailureKind } from '../boot/ports.js';

/** Node's codes for "there is no connection to be had": DNS, routing, a port nobody listens on. */
const UNREACHABLE = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EAI_FAIL',
  'EAI_NODATA',
  'EAI_NONAME',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'ETIMEDOUT',
  'EADDRNOTAVAIL',
  'EACCES',
  'EPROTO',
]);

/** Node's codes for a peer that cannot prove to be the service (OpenSSL's verification results, and the name check). */
const FOREIGN_CERTIFICATE =
  /^(ERR_TLS_CERT_ALTNAME_|ERR_TLS_CERT_|CERT_|DEPTH_ZERO_|SELF_SIGNED_CERT|UNABLE_TO_|CRL_|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_|HOSTNAME_MISMATCH|ERROR_IN_CERT_)/;

/** What the MQTT library says of a call that was under way, or begun, when its connection went. */
const CONNECTION_GONE = /^(connection closed|client disconnecting|no connection to broker|keepalive timeout)|premature close/i;

/** The end of the time that the caller gave. */
export function timedOut(detail = 'no answer within the time given'): Failure {
  return { outcome: 'timed-out', detail };
}

/** A connection that stood and is gone. */
export function dropped(detail: string): Failure {
  return { outcome: 'dropped', detail: oneLine(detail) };
}

/** An answer that cannot be understood. */
export function invalid(detail: string): Failure {
  return { outcome: 'invalid', detail: oneLine(detail) };
}

/**
 * A CONNACK that is no welcome, as the wire client reads it. Source: MQTT 3.1.1, 3.2.2.3; the SDKs' own readings.
 * @param code the return code, 1 to 5
 */
export function sortConnack(code: number): Failure {
  const [outcome, meaning] = CONNACK[code] ?? (['invalid', 'a return code MQTT does not know'] as const);
  return { outcome, detail: `CONNACK ${code}: ${meaning}` };
}

const CONNACK: Record<number, readonly [FailureKind, string]> = {
  1: ['invalid', 'protocol version not accepted'],
  2: ['refused', 'client identifier rejected'],
  3: ['unavailable', 'server unavailable'],
  4: ['refused', 'bad user name or password'],
  5: ['refused', 'not authorised'],
};

/**
 * An error of the socket, of TLS or of the MQTT library, told apart by its `code` alone.
 * A number is the return code of a CONNACK: so the `mqtt` package reports it.
 * @param now what this device's clock says, where a certificate was judged by it
 */
export function sortConnectionError(error: unknown, now?: Date): Failure {
  const { code, message } = anatomy(error);
  if (typeof code === 'number') return code > 5 ? invalid(message) : sortConnack(code);
  if (code === undefined && CONNECTION_GONE.test(message)) return dropped(message);
  if (code === undefined) return /timeout/i.test(message) ? timedOut(oneLine(message)) : invalid(message);
  const detail = oneLine(message.includes(code) ? message : `${message} (${code})`);
  if (code === 'CERT_NOT_YET_VALID' || code === 'CERT_HAS_EXPIRED') {
    const clock = now === undefined ? '' : ` (${now.toISOString()})`;
    return { outcome: 'unreachable', detail: `${detail}: either the server's certificate or this device's clock${clock} is wrong` };
  }
  if (UNREACHABLE.has(code) || FOREIGN_CERTIFICATE.test(code)) return { outcome: 'unreachable', detail };
  // The server ended the handshake over the client's certificate: Azure does so for some, but so does a proxy in between.
  if (/ALERT/.test(code)) return { outcome: 'ambiguous', detail };
  if (/^ERR_SSL_|^EPROTO/.test(code)) return { outcome: 'unreachable', detail };
  // Node's HTTP parser.
  if (code.startsWith('HPE_')) return invalid(detail);
  return { outcome: 'dropped', detail };
}

/**
 * An answer of DPS or of a hub that is no success.
 * @param status the HTTP-like status of the topic
 * @param body the reply's JSON, when it is a {@link https://learn.microsoft.com/azure/iot-dps/how-to-troubleshoot-dps service error body}
 * @param retryAfter seconds
 */
export function sortServiceError(status: number, body: unknown, retryAfter?: number): Failure {
  const { errorCode, message, trackingId } = isJsonObject(body) ? body : {};
  const code = typeof errorCode === 'number' ? errorCode : status;
  const said = typeof message === 'string' && message !== '' ? `${code} ${message}` : `${code}`;
  return {
    outcome: kindOfCode(code, status),
    detail: oneLine(typeof trackingId === 'string' ? `${said} (tracking id ${trackingId})` : said),
    code,
    ...(retryAfter === undefined ? {} : { retryAfterMs: Math.round(retryAfter * 1000) }),
  };
}

/** A registration that ended with 200 but without a hub: `failed` or `disabled`. */
export function sortFailedRegistration(state: Partial<RegistrationState> | undefined, status: string, retryAfter?: number): Failure {
  const code = typeof state?.errorCode === 'number' ? state.errorCode : undefined;
  const reason = typeof state?.errorMessage === 'string' && state.errorMessage !== '' ? `: ${state.errorMessage}` : '';
  const detail = oneLine(`registration ${status}${code === undefined ? '' : ` ${code}`}${reason}`);
  return {
    outcome: code === undefined ? 'refused' : kindOfFailedRegistration(code),
    detail,
    ...(code === undefined ? {} : { code }),
    ...(retryAfter === undefined ? {} : { retryAfterMs: Math.round(retryAfter * 1000) }),
  };
}

// 4002xx are faults of the service's own set-up (no hub to give, the allocation function or the hub's policy broken): an operator
// mends them while the device is still good.
function kindOfFailedRegistration(code: number): FailureKind {
  if (code >= 400207 && code <= 400209) return 'unavailable';
  const kind = kindOfCode(code, httpStatusOf(code));
  return kind === 'invalid' ? 'refused' : kind;
}

function kindOfCode(code: number, status: number): FailureKind {
  // The operation is gone (the service was restarted, say): nothing is said about the device.
  if (code === 404202) return 'unavailable';
  const http = code >= 100_000 ? httpStatusOf(code) : status;
  if (http === 429) return 'throttled';
  if (http >= 500) return 'unavailable';
  if (http === 401 || http === 403 || http === 404) return 'refused';
  return 'invalid';
}

/** Where an error of an SDK client came up. */
export interface SdkPhase {
  /** The hub client's very first connection, whose errors all come back as "not authorised". */
  readonly firstConnect?: boolean;
  /** The last error of the socket under the client, which is more exact than what the SDK makes of it. */
  readonly network?: unknown;
}

/**
 * An error of the official clients, told apart by its name, never `instanceof`: several copies of azure-iot-common get installed.
 */
export function sortSdkError(error: unknown, { firstConnect = false, network }: SdkPhase = {}): Failure {
  const { name, message, code } = anatomy(error);
  if (network !== undefined && typeof anatomy(network).code === 'string') return sortConnectionError(network);
  const detail = oneLine(message === '' ? name : message);
  // A drop, a CONNACK 4 and a CONNACK 5 come back alike here.
  if (firstConnect && name === 'UnauthorizedError') return { outcome: 'ambiguous', detail };
  const outcome = SDK_NAMES[name];
  if (outcome !== undefined) return { outcome, detail };
  return code !== undefined || CONNECTION_GONE.test(message) ? sortConnectionError(error) : invalid(detail);
}

const SDK_NAMES: Record<string, FailureKind> = {
  UnauthorizedError: 'refused',
  DeviceNotFoundError: 'refused',
  IotHubSuspendedError: 'unavailable',
  ServiceUnavailableError: 'unavailable',
  InternalServerError: 'unavailable',
  ThrottlingError: 'throttled',
  IotHubQuotaExceededError: 'throttled',
  NotConnectedError: 'dropped',
  TimeoutError: 'timed-out',
  OperationCancelledError: 'timed-out',
};

function anatomy(error: unknown): { name: string; message: string; code: string | number | undefined } {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error), code: undefined };
  const code: unknown = Reflect.get(error, 'code');
  // The SDK makes errors whose message is undefined.
  const message: unknown = error.message;
  return {
    name: error.name,
    message: typeof message === 'string' ? message : '',
    code: typeof code === 'string' || typeof code === 'number' ? code : undefined,
  };
}

// What a service or a library says goes to people and logs: one line, and never a token.
function oneLine(text: string): string {
  const line = text
    .replace(/SharedAccessSignature \S+/g, 'SharedAccessSignature ...')
    .replace(/\s+/g, ' ')
    .trim();
  return line.length > 300 ? `${line.slice(0, 297)}...` : line;
}
