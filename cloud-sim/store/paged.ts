import type { Table } from './store.js';

/** Which items an operator wants to see. */
export interface PageWish {
  /** At most so many, at least 1. */
  limit: number;
  /** `next` of the page before. */
  after?: string | undefined;
  /** Only items whose id starts with this. */
  startsWith?: string | undefined;
}

/** Some items in order of their ids. */
export interface Paged<T> {
  items: T[];
  /** To go on with; none when these were the last. */
  next: string | undefined;
}

/**
 * Reads one page of a table whose keys are ids, all under one prefix.
 * @param under what every key starts with, and no id does
 */
export async function pageOf<T>(
  table: Pick<Table<T>, 'get' | 'page'>,
  { limit, after, startsWith = '', group }: PageWish & { group?: string | undefined },
  under = '',
): Promise<Paged<T>> {
  const wanted = under + startsWith;
  // A table's page begins behind a key: the very first item may have that key.
  const first = after === undefined && wanted !== '' && group === undefined ? await table.get(wanted) : undefined;
  // One more than asked for tells that there is a next page.
  const page = await table.page({ limit: limit + 1, after: after === undefined ? wanted : under + after, group });
  const behind = page.keys.map((key, index) => ({ key, record: page.records[index] as T })).filter(({ key }) => key.startsWith(wanted));
  const found = first === undefined ? behind : [{ key: wanted, record: first }, ...behind];
  const shown = found.slice(0, limit);
  const last = shown.at(-1);
  return {
    items: shown.map(({ record }) => record),
    next: found.length > limit && last !== undefined ? last.key.slice(under.length) : undefined,
  };
}
