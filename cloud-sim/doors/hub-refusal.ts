import { hubErrors, type ServiceErrorEntry } from '@zerotouch/azure-wire/errors';
import type { Rule } from '../reasons.js';

/** What a hub answers where a code can be said (HTTPS, AMQP) to a device that it does not let in. Source: hub/troubleshoot-error-codes. */
export function hubRefusal(rule: Rule): ServiceErrorEntry {
  switch (rule) {
    case 'device-disabled':
      return hubErrors.deviceDisabled;
    case 'module-unknown':
      return hubErrors.moduleNotFound;
    case 'throttled-hub':
      return hubErrors.throttled;
    default:
      return hubErrors.unauthorized;
  }
}
