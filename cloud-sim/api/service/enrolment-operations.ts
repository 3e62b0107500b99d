import { isJsonObject } from '@zerotouch/azure-wire/twin';
import type { EnrolmentKind } from './enrolment-kinds.js';
import { badRequest, ServiceError, serviceErrorOf } from './errors.js';
import { checkMatch, type Match } from './etags.js';
import { type FoundPage, findPage, type PageWish } from './pages.js';
import { parseQuery } from './query.js';
import { type Json, shownEnrolment, shownMechanism, writtenEnrolment } from './shape.js';

/** Most items of a bulk operation. Source: REST reference, individual enrolment, run bulk operation. */
const BULK_MAX = 10;
const BULK_MODES = ['create', 'update', 'updateIfMatchETag', 'delete'] as const;
type BulkMode = (typeof BULK_MODES)[number];

/** One item of a bulk operation that failed; the id's member is named as the kind has it. */
export type BulkError = { errorCode: number; errorStatus: string } & Json;

/** Source: swagger, BulkEnrollmentOperationResult. */
export interface BulkResult {
  isSuccessful: boolean;
  errors: BulkError[];
}

/** @throws ServiceError 404 */
export async function getEnrolment(kind: EnrolmentKind, id: string): Promise<Json> {
  const enrolment = await kind.table.get(kind.keyOf(id));
  if (enrolment === undefined) throw new ServiceError(kind.notFound);
  return shownEnrolment(enrolment, await kind.stateOf(id));
}

/** With everything that reading hides. @throws ServiceError 404 */
export async function getMechanism(kind: EnrolmentKind, id: string): Promise<unknown> {
  const enrolment = await kind.table.get(kind.keyOf(id));
  if (enrolment === undefined) throw new ServiceError(kind.notFound);
  return shownMechanism(enrolment.attestation, true);
}

/** Without If-Match creates, with it updates. @throws ServiceError 400, 409, 412; CloudFault as the enrolments do */
export async function putEnrolment(kind: EnrolmentKind, id: string, body: unknown, match: Match): Promise<Json> {
  if (!isJsonObject(body)) throw badRequest('the body is no JSON object');
  const named = body[kind.idMember];
  if (typeof named !== 'string' || kind.keyOf(named) !== kind.keyOf(id)) {
    throw badRequest(`${kind.idMember} in the body is not the id in the path`);
  }
  const current = await kind.table.get(kind.keyOf(id));
  checkMatch(match, current?.etag);
  const written = writtenEnrolment(body, current);
  // The etag that was just seen to match must still be there at the moment of writing.
  if (match.kind === 'etag' && current?.etag !== undefined) written.etag = current.etag;
  const enrolment = await kind.put(written, match.kind === 'none' ? 'absent' : 'present');
  return shownEnrolment(enrolment, await kind.stateOf(id));
}

/** @throws ServiceError 404, 412 */
export async function deleteEnrolment(kind: EnrolmentKind, id: string, match: Match): Promise<void> {
  await kind.table.update(kind.keyOf(id), (current) => {
    if (current === undefined) throw new ServiceError(kind.notFound);
    checkMatch(match, current.etag);
    return undefined;
  });
}

/** @throws ServiceError 400 when nothing could be tried */
export async function runBulk(kind: EnrolmentKind, body: unknown): Promise<BulkResult> {
  if (!isJsonObject(body)) throw badRequest('the body is no JSON object');
  const { mode } = body;
  const items = body[kind.plural];
  if (!BULK_MODES.includes(mode as BulkMode)) throw badRequest(`mode is none of ${BULK_MODES.join(', ')}`);
  if (!Array.isArray(items) || items.length === 0) throw badRequest(`${kind.plural} is no array of enrolments`);
  if (items.length > BULK_MAX) throw badRequest(`${kind.plural} holds ${items.length} items, at most ${BULK_MAX} are allowed`);
  const errors: BulkError[] = [];
  for (const item of items as unknown[]) {
    const id = isJsonObject(item) && typeof item[kind.idMember] === 'string' ? (item[kind.idMember] as string) : '';
    try {
      await runItem(kind, mode as BulkMode, id, item as Json);
    } catch (error) {
      const known = serviceErrorOf(error);
      if (known === undefined) throw error;
      errors.push({ [kind.idMember]: id, errorCode: known.entry.code, errorStatus: known.message });
    }
  }
  return { isSuccessful: errors.length === 0, errors };
}

async function runItem(kind: EnrolmentKind, mode: BulkMode, id: string, item: Json): Promise<void> {
  if (id === '') throw badRequest(`an item has no ${kind.idMember}`);
  if (mode === 'delete') return deleteEnrolment(kind, id, { kind: 'none' });
  if (mode === 'create') return void (await putEnrolment(kind, id, item, { kind: 'none' }));
  if ((await kind.table.get(kind.keyOf(id))) === undefined) throw new ServiceError(kind.notFound);
  if (mode === 'update') return void (await putEnrolment(kind, id, item, { kind: 'any' }));
  if (typeof item.etag !== 'string' || item.etag === '') throw badRequest('updateIfMatchETag needs the etag of each item');
  await putEnrolment(kind, id, item, { kind: 'etag', etag: item.etag.replace(/["\\]/g, '') });
}

/** @throws ServiceError 400 */
export function queryEnrolments(kind: EnrolmentKind, body: unknown, wish: PageWish): Promise<FoundPage<Json>> {
  const query = isJsonObject(body) ? body.query : undefined;
  if (typeof query !== 'string') throw badRequest('the body holds no query');
  return findPage((request) => kind.table.page(request), {
    wish,
    scope: `${kind.plural}\n${query}`,
    filter: parseQuery(query, kind.plural),
    shown: async (enrolment) => shownEnrolment(enrolment, await kind.stateOf(String((enrolment as unknown as Json)[kind.idMember]))),
  });
}
