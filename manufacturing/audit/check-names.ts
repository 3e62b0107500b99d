import { COMMON_NAME_MAX, canonicalRegistrationId, isIdScope, registrationIdProblem } from '@zerotouch/azure-wire/ids';
import { type AuditContext, cloudOf, expectedCloud } from './context.js';
import type { Tell } from './findings.js';
import type { ImageFacts } from './image-facts.js';

const HOST = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/i;
const WHERE = 'partition fctry';

/** What is wrong with the names in the factory data. */
export function checkNames({ factory, certificates }: ImageFacts, context: AuditContext, tell: Tell): void {
  if (factory === undefined) return;
  const { registrationId, serial, idScope, endpoint } = factory;
  checkId(registrationId, `${WHERE}, dps/reg_id`, tell);
  if (certificates?.device !== undefined && registrationId.length > COMMON_NAME_MAX) {
    tell('ID_TOO_LONG', `${WHERE}, dps/reg_id`, `${registrationId.length} characters`);
  }
  if (serial.trim() === '') tell('SERIAL_EMPTY', `${WHERE}, dps/serial`);
  if (!isIdScope(idScope)) tell('SCOPE_BAD', `${WHERE}, dps/id_scope`, JSON.stringify(idScope));
  if (!HOST.test(endpoint)) tell('ENDPOINT_BAD', `${WHERE}, dps/endpoint`, JSON.stringify(endpoint));
  else checkCloud(endpoint, `${WHERE}, dps/endpoint`, context, tell);
}

/** What is wrong with a registration id. */
function checkId(id: string, where: string, tell: Tell): void {
  if (/^cn\s*=/i.test(id)) {
    tell('ID_CN_PREFIX', where, JSON.stringify(id));
    return;
  }
  const problem = registrationIdProblem(id);
  if (problem !== undefined) {
    tell('ID_BAD', where, `it ${problem}`);
    return;
  }
  if (id !== canonicalRegistrationId(id)) tell('ID_UPPER_CASE', where, id);
}

/** A host of another sovereign cloud than the batch is for. */
export function checkCloud(host: string, where: string, context: AuditContext, tell: Tell): void {
  const [found, expected] = [cloudOf(host), expectedCloud(context)];
  if (found !== undefined && found !== expected)
    tell('ENDPOINT_FOREIGN_CLOUD', where, `${host} is of the ${found} cloud, not of the ${expected} one`);
}
