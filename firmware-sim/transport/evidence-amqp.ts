import { httpStatusOf } from '@zerotouch/azure-wire/errors';
import { parseJson } from '@zerotouch/azure-wire/json';
import { isJsonObject } from '@zerotouch/azure-wire/twin';
import type { Failure, FailureKind } from '../boot/ports.js';
import { sortSdkError, sortServiceError } from './evidence.js';

/** Error conditions of AMQP 1.0 (OASIS, part 2.8) and of Azure, where the description does not tell more. */
const CONDITIONS: Record<string, FailureKind> = {
  'amqp:unauthorized-access': 'refused',
  'amqp:not-found': 'refused',
  'com.microsoft:iot-hub-not-found-error': 'refused',
  'com.microsoft:device-container-throttled': 'throttled',
  'com.microsoft:quota-exceeded': 'throttled',
  'amqp:resource-limit-exceeded': 'throttled',
  'amqp:internal-error': 'unavailable',
  'com.microsoft:server-busy': 'unavailable',
  'com.microsoft:timeout': 'timed-out',
  'com.microsoft:iot-hub-suspended': 'unavailable',
  'amqp:link:stolen': 'dropped',
  'amqp:link:detach-forced': 'dropped',
  'amqp:connection:forced': 'dropped',
  'com.microsoft:argument-error': 'invalid',
  'com.microsoft:argument-out-of-range': 'invalid',
};

/** What the SDK calls "service unavailable" and is but a link that went without a word. */
const LINK_GONE = /^Sender Link Detached$/;

/**
 * An error that came over AMQP, whole or inside one of the SDK's: Azure writes its JSON body into the description, and `retry-after` into the
 * info map. Source: seen from Azure's clients; AMQP 1.0, 2.8.14.
 */
export function sortAmqpError(error: unknown, network?: unknown): Failure {
  const amqp = [error, Reflect.get(Object(error), 'amqpError')].find((one) => typeof Reflect.get(Object(one), 'condition') === 'string');
  if (amqp === undefined) {
    const failure = sortSdkError(error, { network });
    return LINK_GONE.test(failure.detail) ? { ...failure, outcome: 'dropped' } : failure;
  }
  const condition: string = Reflect.get(Object(amqp), 'condition');
  const description: unknown = Reflect.get(Object(amqp), 'description');
  const text = typeof description === 'string' ? description : '';
  const body = parseJson(Buffer.from(text));
  const retryAfter = retryAfterOf(Reflect.get(Object(amqp), 'info'));
  if (isJsonObject(body) && typeof body.errorCode === 'number') return sortServiceError(httpStatusOf(body.errorCode), body, retryAfter);
  return {
    outcome: CONDITIONS[condition] ?? 'invalid',
    detail: `${condition}${text === '' ? '' : `: ${text.replace(/\s+/g, ' ').slice(0, 250)}`}`,
    ...(retryAfter === undefined ? {} : { retryAfterMs: Math.round(retryAfter * 1000) }),
  };
}

/** Seconds, in an info map or in application properties. */
export function retryAfterOf(properties: unknown): number | undefined {
  const value: unknown = Reflect.get(Object(properties), 'retry-after') ?? Reflect.get(Object(properties), 'Retry-After');
  const seconds = typeof value === 'number' || (typeof value === 'string' && value !== '') ? Number(value) : Number.NaN;
  return Number.isFinite(seconds) && seconds >= 0 ? seconds : undefined;
}
