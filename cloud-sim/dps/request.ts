import { dpsErrors, type ServiceErrorEntry } from '@zerotouch/azure-wire/errors';
import { canonicalRegistrationId } from '@zerotouch/azure-wire/ids';
import { dpsLimits } from '@zerotouch/azure-wire/limits';
import { isJsonObject } from '@zerotouch/azure-wire/twin';
import { dpsChoices } from '../choices.js';
import type { Reason } from '../reasons.js';

/**
 * Judges the body of a register request: empty, or a JSON object whose registration id, if it has one, is the caller's. Pure.
 * @returns what is wrong with it, or `undefined`
 */
export function requestFlaw(body: Uint8Array, registrationId: string): { error: ServiceErrorEntry; reason: Reason } | undefined {
  const limit = dpsLimits.messageBytes.value;
  if (body.length > limit) {
    const text = 'the body of the register request is too long';
    return {
      error: dpsChoices.bodyTooLarge.value,
      reason: { rule: 'request-size', text, seen: `${body.length} bytes`, expected: `at most ${limit}` },
    };
  }
  if (body.length === 0) return undefined;
  const value = parse(body);
  if (!isJsonObject(value)) {
    const text = 'the body of the register request is no JSON object';
    return {
      error: dpsErrors.badRequest,
      reason: { rule: 'request-body', text, expected: 'nothing, or {"registrationId": .., "payload": ..}' },
    };
  }
  const { registrationId: named } = value;
  if (named === undefined) return undefined;
  if (typeof named === 'string' && canonicalRegistrationId(named) === canonicalRegistrationId(registrationId)) return undefined;
  const text = 'the body names another registration id than the connection';
  const reason: Reason = { rule: 'request-body', text, seen: JSON.stringify(named).slice(0, 200), expected: registrationId };
  return { error: dpsChoices.wrongRegistrationIdInBody.value, reason };
}

function parse(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString('utf8'));
  } catch {
    return undefined;
  }
}
