import { isFault } from '@zerotouch/foundation/fault';
import type { CloudFaultCode } from '../../faults.js';
import { routerRefusal } from '../http-api.js';
import { armChoices } from './choices.js';

/**
 * A request that is answered with an error. Azure answers in two shapes: the resource manager itself with `{error: {code, message}}`, the provider of
 * a resource with `{code, httpStatusCode, message}` (swagger, ErrorDetails); clients read both.
 */
export class ArmError extends Error {
  readonly status: number;
  readonly code: string;
  readonly by: 'manager' | 'provider';

  constructor(status: number, code: string, message: string, by: ArmError['by'] = 'provider') {
    super(message);
    this.name = 'ArmError';
    this.status = status;
    this.code = code;
    this.by = by;
  }

  /** @param numbered the provider's code is a number, as later specification files have it */
  bodyAs({ numbered }: { numbered: boolean }): object {
    const { status, code, message } = this;
    if (this.by === 'manager') return { error: { code, message } };
    return { code: numbered ? status * 1000 : code, httpStatusCode: STATUS_NAMES[status] ?? String(status), message };
  }
}

/** HTTP statuses as Azure's providers spell them. */
const STATUS_NAMES: Record<number, string> = {
  400: 'BadRequest',
  404: 'NotFound',
  409: 'Conflict',
  412: 'PreconditionFailed',
  415: 'UnsupportedMediaType',
  500: 'InternalServerError',
  501: 'NotImplemented',
};

/** @returns a refusal by the resource manager itself, before a provider is asked */
export function managerError(status: number, code: string, message: string): ArmError {
  return new ArmError(status, code, message, 'manager');
}

/** @returns a 400 of a provider */
export function badRequest(message: string): ArmError {
  return new ArmError(400, 'BadRequest', message);
}

/** What Azure has and the local cloud has not. @param what of the request, by its name there */
export function notServed(what: string, remedy: string, status: number = armChoices.unservedMember.value): ArmError {
  return new ArmError(status, 'NotSupportedByLocalCloud', `${what} is not served by the local cloud: ${remedy}`);
}

/** What the domain throws, as a provider answers it. */
const BY_CODE: Partial<Record<CloudFaultCode, readonly [number, string]>> = {
  BAD_OPTIONS: [400, 'BadRequest'],
  BAD_LINK: [400, 'BadRequest'],
  UNKNOWN_HUB: [400, 'IotHubNotFound'],
  UNKNOWN_LINK: [400, 'BadRequest'],
  LIMIT_REACHED: [400, 'LimitExceeded'],
  CERTIFICATE_UNREADABLE: [400, 'InvalidCertificate'],
  CERTIFICATE_UNPROVED: [400, 'InvalidCertificate'],
  CERTIFICATE_UNKNOWN: [404, 'CertificateNotFound'],
  UNKNOWN_SERVICE: [404, 'ResourceNotFound'],
  UNKNOWN_POLICY: [404, 'AuthorizationPolicyNotFound'],
  ETAG_MISMATCH: [412, 'PreconditionFailed'],
  SERVICE_EXISTS: [409, 'NameAlreadyTaken'],
  HUB_EXISTS: [409, 'NameAlreadyTaken'],
  SERVICE_NEEDED: [409, 'CannotDeleteLocalService'],
};

/** What an error becomes on the wire; `undefined` for one nobody expected. */
export function armErrorOf(error: unknown): ArmError | undefined {
  if (error instanceof ArmError) return error;
  if (isFault(error)) {
    const known = BY_CODE[error.code as CloudFaultCode];
    return known === undefined ? undefined : new ArmError(...known, error.message);
  }
  const refusal = routerRefusal(error);
  if (refusal === 'body too long') return managerError(413, 'RequestEntityTooLarge', 'the body is too long');
  if (refusal === 'no JSON type') return managerError(415, 'UnsupportedMediaType', 'the body must be application/json');
  if (refusal === undefined) return undefined;
  return managerError(400, 'InvalidRequestContent', refusal === 'no JSON' ? 'the body is no JSON' : 'the request is malformed');
}
