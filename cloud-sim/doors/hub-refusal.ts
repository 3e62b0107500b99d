import { hubErrors, type ServiceErrorEntry } from '@zerotouch/azure-wire/errors';
import { nearestWords } from '../nearest.js';
import type { Reason, Rule } from '../reasons.js';

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

/** Why nobody is let in at a hub that does not run here. @param hosts of the hubs that do */
export function unknownHub(host: string, hosts: Iterable<string>): Reason {
  return {
    rule: 'hub-unknown',
    text: 'no hub of this name runs here',
    seen: host,
    expected: `one of ${[...hosts].join(', ')}`,
    nearest: nearestWords(host, hosts) ?? 'none: no hub runs here',
    remedy: 'register with DPS again',
  };
}
