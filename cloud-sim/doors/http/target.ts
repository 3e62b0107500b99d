import type { IncomingMessage } from 'node:http';
import { unescaped } from '@zerotouch/azure-wire/percent';

/** First parts of a path that belong to the service API, not to an ID scope. */
const SERVICE_ROOTS = new Set(['registrations', 'enrollments', 'enrollmentgroups']);

/** What a device asks DPS for, by the path of its request. Source: DPS device API, routes. */
export interface Target {
  idScope: string;
  registrationId: string;
  apiVersion: string;
  /** What is behind the registration id, in lower case: `register`, `operations/ID` (the id as it is), or nothing. */
  rest: readonly string[];
}

/** Takes the target of a request apart; `undefined` when it is none of the device API. */
export function readTarget({ url = '' }: IncomingMessage): Target | undefined {
  const question = url.indexOf('?');
  const path = question < 0 ? url : url.slice(0, question);
  const [before, idScope, registrations, registrationId, ...rest] = path.split('/').map(unescaped);
  if (before !== '' || idScope === undefined || registrations?.toLowerCase() !== 'registrations') return undefined;
  if (SERVICE_ROOTS.has(idScope.toLowerCase())) return undefined;
  const query = new URLSearchParams(question < 0 ? '' : url.slice(question + 1));
  const version = [...query].find(([name]) => name.toLowerCase() === 'api-version')?.[1];
  return { idScope, registrationId: registrationId ?? '', apiVersion: version ?? '', rest: rest.filter((part) => part !== '') };
}
