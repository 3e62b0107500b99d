import { dpsErrors, type ServiceErrorEntry } from '@zerotouch/azure-wire/errors';
import { isFault } from '@zerotouch/foundation/fault';
import { serviceChoices } from './choices.js';

/** A request that is answered with an error body. */
export class ServiceError extends Error {
  readonly entry: ServiceErrorEntry;
  /** What went wrong in truth; for the log, never on the wire. */
  readonly reason: string | undefined;
  readonly retryAfterSeconds: number | undefined;

  /**
   * @param message what the caller reads, by default Azure's words for the code
   * @param retryAfterSeconds for a caller who may come again
   */
  constructor(entry: ServiceErrorEntry, message: string = entry.message, reason?: string, retryAfterSeconds?: number) {
    super(message);
    this.name = 'ServiceError';
    this.entry = entry;
    this.reason = reason;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** @returns a 400 with the digits that Azure's validation is seen to give */
export function badRequest(message: string): ServiceError {
  return new ServiceError(dpsErrors.badRequest, message);
}

/** What an error thrown by the enrolments becomes on the wire; `undefined` for one nobody expected. */
export function serviceErrorOf(error: unknown): ServiceError | undefined {
  if (error instanceof ServiceError) return error;
  if (!isFault(error)) return undefined;
  switch (error.code) {
    case 'ETAG_MISMATCH':
      return new ServiceError(serviceChoices.staleEtag.value, undefined, error.message);
    case 'ENROLMENT_EXISTS':
      return new ServiceError(serviceChoices.createOverExisting.value, undefined, error.message);
    case 'UNKNOWN_ENROLMENT':
      return new ServiceError(serviceChoices.starOnAbsent.value, undefined, error.message);
    case 'STORE_UNUSABLE':
    case 'CLOSED':
      return undefined;
    default:
      return badRequest(error.message);
  }
}
