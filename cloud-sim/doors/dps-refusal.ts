import { dpsErrors, httpStatusOf, type ServiceErrorEntry } from '@zerotouch/azure-wire/errors';
import type { Rule, WireAnswer } from '../reasons.js';

/**
 * What DPS answers where a status can be said (HTTPS, AMQP) to a call that it does not even let speak. MQTT has CONNACK codes for it.
 * No source tells Azure's codes here: a call that cannot be read is a bad request, one that proves nothing is unauthorised.
 */
export function formalRefusal(rule: Rule): ServiceErrorEntry {
  switch (rule) {
    case 'registration-id':
    case 'api-version':
    case 'client-id':
      return dpsErrors.badRequest;
    case 'sas-form':
    case 'credential-missing':
      return dpsErrors.unauthorizedToken;
    default:
      return dpsErrors.unauthorized;
  }
}

/** How a refusal looks on the wire, for the record. */
export function wireOf({ code }: ServiceErrorEntry): WireAnswer {
  return { status: httpStatusOf(code), errorCode: code };
}
