import { canonicalRegistrationId } from '@zerotouch/azure-wire/ids';
import { isJsonObject } from '@zerotouch/azure-wire/twin';
import type { Store } from '../../store/store.js';
import { serviceChoices } from './choices.js';
import { badRequest, ServiceError } from './errors.js';
import { checkMatch, type Match } from './etags.js';
import { type FoundPage, findPage, type PageWish } from './pages.js';
import { parseQuery } from './query.js';
import { type Json, shownState } from './shape.js';

/** @throws ServiceError 404 */
export async function getRegistration(store: Store, id: string): Promise<Json> {
  const record = await store.registrations.get(canonicalRegistrationId(id));
  if (record === undefined) throw new ServiceError(serviceChoices.registrationNotFound.value);
  return shownState(record.state);
}

/** Deletes the record only: the device stays in its hub. @throws ServiceError 404, 412 */
export async function deleteRegistration(store: Store, id: string, match: Match): Promise<void> {
  await store.registrations.update(canonicalRegistrationId(id), (current) => {
    if (current === undefined) throw new ServiceError(serviceChoices.registrationNotFound.value);
    checkMatch(match, current.state.etag);
    return undefined;
  });
}

/** Registrations of an enrolment group. A body is optional. @throws ServiceError 400, 404 */
export async function queryRegistrations(store: Store, group: string, body: unknown, wish: PageWish): Promise<FoundPage<Json>> {
  if ((await store.groups.get(group)) === undefined) throw new ServiceError(serviceChoices.groupNotFound.value);
  const query = isJsonObject(body) && body.query !== undefined ? body.query : 'SELECT *';
  if (typeof query !== 'string') throw badRequest('query is no text');
  return findPage((request) => store.registrations.page({ ...request, group }), {
    wish,
    scope: `registrations\n${group}\n${query}`,
    filter: parseQuery(query, 'registrations'),
    shown: ({ state }) => shownState(state),
  });
}
