import type { Page, PageRequest } from '../../store/store.js';
import { serviceChoices } from './choices.js';
import { badRequest } from './errors.js';
import type { Filter } from './query.js';

/** What a client asks for with the paging headers, as received. */
export interface PageWish {
  /** `x-ms-max-item-count`. */
  maxItems: string | undefined;
  /** `x-ms-continuation`: of an answer to the same query. */
  continuation: string | undefined;
}

/** A page of what a query found. */
export interface FoundPage<T> {
  items: T[];
  /** Largest number of items that the page could have held. */
  size: number;
  /** To ask for the next page with; none when this was the last. */
  continuation: string | undefined;
}

/**
 * Reads one page of the records that a filter lets through.
 * @param scope names what is asked for: a continuation is good for its own query only
 * @param shown the record as the query sees it and the answer shows it
 * @throws ServiceError 400 for a bad header
 */
export async function findPage<T, R extends object>(
  read: (request: PageRequest) => Promise<Page<T>>,
  { wish, scope, filter, shown }: { wish: PageWish; scope: string; filter: Filter; shown: (record: T) => R | Promise<R> },
): Promise<FoundPage<R>> {
  const size = pageSize(wish.maxItems);
  const items: R[] = [];
  let after = readContinuation(wish.continuation, scope);
  for (;;) {
    // Never more than are still wanted, so that the store's place is the page's place.
    const page = await read({ limit: size - items.length, after });
    const candidates = await Promise.all(page.records.map(async (record) => shown(record)));
    items.push(...candidates.filter(filter));
    after = page.next;
    if (after === undefined || items.length >= size) break;
  }
  return { items, size, continuation: after === undefined ? undefined : writeContinuation(after, scope) };
}

function pageSize(text: string | undefined): number {
  if (text === undefined || text === '') return serviceChoices.defaultPage.value;
  const size = Number(text);
  if (!/^-?\d{1,9}$/.test(text) || size === 0 || size < -1) throw badRequest('x-ms-max-item-count is no positive number');
  return size === -1 ? serviceChoices.defaultPage.value : Math.min(size, serviceChoices.largestPage.value);
}

function writeContinuation(after: string, scope: string): string {
  return Buffer.from(JSON.stringify({ after, scope })).toString('base64url');
}

function readContinuation(token: string | undefined, scope: string): string | undefined {
  if (token === undefined || token === '') return undefined;
  try {
    const read: unknown = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'));
    const { after, scope: its } = read as { after?: unknown; scope?: unknown };
    if (typeof after === 'string' && its === scope) return after;
  } catch {
    // Said below: whatever it is, it is none of ours.
  }
  throw badRequest('x-ms-continuation is of no answer to this query');
}
