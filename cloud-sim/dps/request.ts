import { dpsErrors, type ServiceErrorEntry } from '@zerotouch/azure-wire/errors';
import { canonicalRegistrationId } from '@zerotouch/azure-wire/ids';
import { parseJson } from '@zerotouch/azure-wire/json';
import { dpsLimits } from '@zerotouch/azure-wire/limits';
import { isJsonObject } from '@zerotouch/azure-wire/twin';
import { dpsChoices } from '../choices.js';
import type { Reason } from '../reasons.js';

/** What a register request says, or what is wrong with it. `payload` is what the device sent for custom allocation, `csr` its wish for a certificate. */
export type ReadRequest = { payload: unknown; csr?: unknown } | { flaw: { error: ServiceErrorEntry; reason: Reason } };

/**
 * Reads the body of a register request: empty, or a JSON object whose registration id, if it has one, is the caller's. Pure.
 * @param limit bytes
 */
export function readRequest(body: Uint8Array, registrationId: string, limit: number = dpsLimits.messageBytes.value): ReadRequest {
  if (body.length > limit) {
    return flawed(dpsChoices.bodyTooLarge.value, {
      rule: 'request-size',
      text: 'the body of the register request is too long',
      seen: `${body.length} bytes`,
      expected: `at most ${limit}`,
      nearest: `a body shorter by ${body.length - limit} bytes`,
      remedy: 'send a smaller payload',
    });
  }
  if (body.length === 0) return { payload: undefined };
  const value = parseJson(body);
  if (!isJsonObject(value)) {
    return flawed(dpsErrors.badRequest, {
      rule: 'request-body',
      text: 'the body of the register request is no JSON object',
      seen: `${body.length} bytes`,
      expected: 'nothing, or {"registrationId": .., "payload": ..}',
      nearest: 'an empty body',
      remedy: 'send a DeviceRegistration as JSON',
    });
  }
  const { registrationId: named, payload, csr } = value;
  if (named === undefined || (typeof named === 'string' && canonicalRegistrationId(named) === canonicalRegistrationId(registrationId))) {
    return { payload, csr };
  }
  return flawed(dpsChoices.wrongRegistrationIdInBody.value, {
    rule: 'request-id',
    text: 'the body names another registration id than the connection',
    seen: JSON.stringify(named).slice(0, 200),
    expected: registrationId,
    nearest: `${JSON.stringify(registrationId)}, or no registrationId in the body`,
    remedy: 'send the id that the connection was made with',
  });
}

function flawed(error: ServiceErrorEntry, reason: Reason): ReadRequest {
  return { flaw: { error, reason } };
}
