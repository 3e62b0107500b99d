import type { RegistrationState } from '@zerotouch/azure-wire/registration';
import { type DeviceTwinDocument, isJsonObject, type JsonObject } from '@zerotouch/azure-wire/twin';
import type { DpsOutcome, Failure } from '../boot/ports.js';
import { invalid, sortFailedRegistration, sortServiceError } from './evidence.js';

/** How long a device waits between polls when DPS does not say. Source: the SDKs' constant. */
export const POLL_INTERVAL_MS = 2_000;

/** DPS is at it: ask again for this operation after this time. */
export interface PollAgain {
  readonly outcome: 'poll';
  readonly operationId: string;
  readonly afterMs: number;
}

/**
 * What a reply of DPS to a registration or to a poll means. Source: DPS device API, RegistrationOperationStatus.
 * @param status the HTTP-like status of the topic
 * @param body the reply's JSON, `undefined` when it was none
 * @param retryAfter seconds, when the topic had them
 */
export function readDpsReply(status: number, body: unknown, retryAfter?: number): PollAgain | DpsOutcome {
  if (status >= 300) return sortServiceError(status, body, retryAfter);
  if (!isJsonObject(body) || typeof body.status !== 'string') return invalid(`DPS answered ${status} without a registration status`);
  const state = isJsonObject(body.registrationState) ? (body.registrationState as Partial<RegistrationState>) : undefined;
  const stage = body.status.toLowerCase();
  if (stage === 'assigning' || stage === 'unassigned') {
    const { operationId } = body;
    if (typeof operationId !== 'string' || operationId === '') return invalid(`DPS answered ${status} ${stage} without an operation id`);
    return { outcome: 'poll', operationId, afterMs: retryAfter === undefined ? POLL_INTERVAL_MS : Math.round(retryAfter * 1000) };
  }
  if (stage === 'failed' || stage === 'disabled') return sortFailedRegistration(state, stage, retryAfter);
  if (stage === 'assigned') return readAssignment(state);
  return invalid(`DPS answered ${status} with a status it does not have: ${stage}`);
}

/** Hub and device id of a finished registration; `invalid` when they are not there. */
export function readAssignment(state: { [member in keyof RegistrationState]?: unknown } | undefined): DpsOutcome {
  const { assignedHub, deviceId, substatus, payload, issuedCertificateChain: issued } = state ?? {};
  if (typeof assignedHub !== 'string' || assignedHub === '' || typeof deviceId !== 'string' || deviceId === '') {
    return invalid('DPS assigned the device without saying hub and device id');
  }
  return {
    outcome: 'assigned',
    hub: assignedHub,
    deviceId,
    ...(typeof substatus === 'string' ? { substatus } : {}),
    ...(payload === undefined ? {} : { payload }),
    ...(Array.isArray(issued) ? { issued: issued.map(String) } : {}),
  };
}

/** What a hub's reply to a twin request means. Source: iot-mqtt-connect-to-iot-hub. */
export function readTwinReply(status: number, body: unknown): { outcome: 'twin'; twin: DeviceTwinDocument } | Failure {
  if (status >= 300) return sortServiceError(status, body);
  const { desired, reported } = isJsonObject(body) ? body : {};
  if (!isVersioned(desired) || !isVersioned(reported)) return invalid('the hub answered with something that is no twin');
  return { outcome: 'twin', twin: { desired, reported } };
}

/** What a hub's reply to a reported patch means: 204, or 200 in older ones. */
export function readReportReply(status: number, body: unknown): { outcome: 'reported' } | Failure {
  return status >= 300 ? sortServiceError(status, body) : { outcome: 'reported' };
}

/** A change of the desired properties; the version is in the body, and in the topic. `undefined` when it cannot be understood. */
export function readDesired(body: unknown, version: number): (JsonObject & { $version: number }) | undefined {
  return isJsonObject(body) ? ({ $version: version, ...body } as JsonObject & { $version: number }) : undefined;
}

function isVersioned(section: unknown): section is JsonObject & { $version: number } {
  return isJsonObject(section) && typeof section.$version === 'number';
}
