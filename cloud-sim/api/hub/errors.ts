import { httpStatusOf, hubErrors, type ServiceErrorEntry } from '@zerotouch/azure-wire/errors';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import { guid } from '../../unique.js';

/** A call that the hub's service API answers with an error. The entry's message is Azure's name of the error, e.g. `DeviceNotFound`. */
export class HubApiError extends Error {
  readonly entry: ServiceErrorEntry;
  /** What went wrong in truth, where the caller is not told; for the log. */
  readonly reason: string | undefined;
  readonly retryAfterSeconds: number | undefined;

  /** @param message what the caller reads besides the name of the error */
  constructor(
    entry: ServiceErrorEntry,
    message: string,
    { reason, retryAfterSeconds }: { reason?: string; retryAfterSeconds?: number } = {},
  ) {
    super(message);
    this.name = 'HubApiError';
    this.entry = entry;
    this.reason = reason;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** A request that is wrong in itself. */
export function badArgument(message: string): HubApiError {
  return new HubApiError(hubErrors.argumentInvalid, message);
}

/** Something that Azure has and the local hub has not. */
export function notSupported(what: string, instead: string): HubApiError {
  return new HubApiError(hubErrors.notSupported, `${what} is not supported by the local hub: ${instead}`);
}

export function noDevice(deviceId: string): HubApiError {
  return new HubApiError(hubErrors.deviceNotFound, `the hub has no device ${JSON.stringify(deviceId)}`);
}

export function noModule(deviceId: string, moduleId: string): HubApiError {
  return new HubApiError(hubErrors.moduleNotFound, `device ${JSON.stringify(deviceId)} has no module ${JSON.stringify(moduleId)}`);
}

/** If-Match names another etag than is there. */
export function stale(etag: string): HubApiError {
  return new HubApiError(hubErrors.preconditionFailed, 'it has changed since it was read: If-Match names another etag', {
    reason: `the etag is ${etag}`,
  });
}

/** An error as the hub writes it over HTTP. Source: seen in public threads, see azure-iot-sdk-csharp, ExceptionHandlingHelper. */
export function errorAnswer(
  { entry, message }: HubApiError,
  { clock, entropy }: { clock: Clock; entropy: Entropy },
): { status: number; name: string; body: { Message: string; ExceptionMessage: string } } {
  const [date = '', time = ''] = new Date(clock.now()).toISOString().split(/[T.]/);
  const [year, month, day] = date.split('-');
  const tracking = `Tracking ID:${guid(entropy).replaceAll('-', '')}-G:0-TimeStamp:${month}/${day}/${year} ${time}`;
  return {
    status: httpStatusOf(entry.code),
    name: entry.message,
    body: { Message: `ErrorCode:${entry.message};${message}`, ExceptionMessage: tracking },
  };
}
