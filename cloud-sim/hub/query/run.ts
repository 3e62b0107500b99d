import { createHash } from 'node:crypto';
import type { DeviceRecord, ModuleRecord, Store, Table, TwinRecord } from '../../store/store.js';
import type { Presence } from '../documents.js';
import type { Identity } from '../identity.js';
import { Grouping } from './aggregate.js';
import { compile, type Evaluate, pathsOf } from './compile.js';
import { QueryFault } from './fault.js';
import { parseQuery } from './parser.js';
import { needsOwner, TwinRow } from './rows.js';
import { type Column, isAggregate, type Query } from './syntax.js';

/** Twins read from the store at a time. */
const BLOCK = 1000;
/** Blocks after which others may have a turn. */
const BLOCKS_AT_ONCE = 5;

/** What a query looks at. */
export interface QueryGround {
  /** Host name. */
  hub: string;
  store: Store;
  presence(identity: Identity): Presence;
}

/** How much is wanted at a time. */
export interface PageRequest {
  /** Results, at least 1. */
  size: number;
  /** Of the page before; of the same query. */
  continuation?: string | undefined;
}

/** Some results of a query. */
export interface QueryPage {
  items: unknown[];
  /** `Twin` when results are whole twins. */
  itemType: 'Twin' | 'raw';
  /** To ask for the next page with; `undefined` when this was the last. */
  continuation: string | undefined;
}

/**
 * Runs a query over the twins of a hub, in order of the ids.
 * @throws QueryFault for a query that cannot be read or is not served, or a continuation that is of no page of it
 */
export async function runQuery(text: string, page: PageRequest, ground: QueryGround): Promise<QueryPage> {
  const query = parseQuery(text);
  const scope = createHash('sha256').update(text).digest('base64url').slice(0, 12);
  const { after, seen } = readContinuation(page.continuation, scope);
  if (isGathered(query)) return groups(query, page, { scope, seen }, ground);
  const left = Math.min(page.size, (query.top ?? Number.POSITIVE_INFINITY) - seen);
  const show = shower(query.columns);
  const items: unknown[] = [];
  let last: string | undefined;
  for await (const { key, row } of matches(query, after, ground)) {
    // One more than is wanted shows that there is a next page.
    if (items.length >= left) {
      if (query.top !== undefined && seen + items.length >= query.top) break;
      return { items, itemType: itemType(query), continuation: writeContinuation({ after: last ?? '', seen: seen + items.length, scope }) };
    }
    items.push(show(row));
    last = key;
  }
  return { items, itemType: itemType(query), continuation: undefined };
}

/**
 * Reads a query without running it.
 * @throws QueryFault as runQuery would
 */
export function checkQuery(text: string): void {
  const query = parseQuery(text);
  if (query.where !== undefined) compile(query.where);
  if (isGathered(query)) groupingOf(query);
  else shower(query.columns);
}

/** The twins that a condition finds; `*` or nothing finds all. */
export async function* findTwins(
  condition: Evaluate | undefined,
  from: Query['from'],
  ground: QueryGround,
  after?: string,
  wantsOwner = true,
): AsyncGenerator<{ key: string; row: TwinRow }> {
  const { hub, store } = ground;
  const [twins, owners]: [Table<TwinRecord>, Table<DeviceRecord | ModuleRecord>] =
    from === 'devices'
      ? [store.twins, store.devices as Table<DeviceRecord | ModuleRecord>]
      : [store.moduleTwins, store.modules as Table<DeviceRecord | ModuleRecord>];
  const prefix = `${hub}/`;
  let next: string | undefined = after ?? '';
  for (let blocks = 1; next !== undefined; blocks++) {
    const page: Awaited<ReturnType<typeof twins.page>> = await twins.page({ limit: BLOCK, prefix, after: next === '' ? undefined : next });
    for (const [index, key] of page.keys.entries()) {
      const twin = page.records[index] as TwinRecord;
      const presence = (): Presence => ground.presence(twin);
      // Most twins do not match: their owners need not be read when the twin alone tells.
      const alone = !wantsOwner && condition !== undefined;
      if (alone && condition(new TwinRow(twin, undefined, presence)) !== true) continue;
      const row = new TwinRow(twin, await owners.get(key), presence);
      if (alone || condition === undefined || condition(row) === true) yield { key, row };
    }
    next = page.next;
    if (blocks % BLOCKS_AT_ONCE === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

function matches(query: Query, after: string | undefined, ground: QueryGround): AsyncGenerator<{ key: string; row: TwinRow }> {
  const { where, from } = query;
  const wantsOwner = where !== undefined && pathsOf(where).some(needsOwner);
  return findTwins(where === undefined ? undefined : compile(where), from, ground, after, wantsOwner);
}

async function groups(
  query: Query,
  { size }: PageRequest,
  { scope, seen }: { scope: string; seen: number },
  ground: QueryGround,
): Promise<QueryPage> {
  const grouping = groupingOf(query);
  for await (const { row } of matches(query, undefined, ground)) grouping.add(row);
  const all = grouping.results().slice(0, query.top);
  const items = all.slice(seen, seen + size);
  const more = seen + items.length < all.length;
  return { items, itemType: 'raw', continuation: more ? writeContinuation({ after: '', seen: seen + items.length, scope }) : undefined };
}

function isGathered({ groupBy, columns }: Query): boolean {
  return groupBy.length > 0 || columns?.some(({ expression }) => isAggregate(expression)) === true;
}

function groupingOf({ columns, groupBy }: Query): Grouping {
  if (columns === undefined) throw new QueryFault('SELECT * cannot be grouped: name what is grouped by, and functions over it');
  return new Grouping(columns, groupBy);
}

function shower(columns: readonly Column[] | undefined): (row: TwinRow) => unknown {
  if (columns === undefined) return (row) => row.document();
  const compiled = columns.map(({ name, expression }) => ({ name, evaluate: compile(expression) }));
  return (row) => {
    const entries = compiled.map(({ name, evaluate }): [string, unknown] => [name, evaluate(row)]);
    return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
  };
}

function itemType({ columns }: Query): QueryPage['itemType'] {
  return columns === undefined ? 'Twin' : 'raw';
}

interface Place {
  after: string;
  seen: number;
  scope: string;
}

function writeContinuation(place: Place): string {
  return Buffer.from(JSON.stringify(place)).toString('base64url');
}

function readContinuation(token: string | undefined, scope: string): { after: string | undefined; seen: number } {
  if (token === undefined || token === '') return { after: undefined, seen: 0 };
  try {
    const { after, seen, scope: its } = JSON.parse(Buffer.from(token, 'base64url').toString('utf8')) as Partial<Place>;
    if (typeof after === 'string' && typeof seen === 'number' && its === scope) return { after: after === '' ? undefined : after, seen };
  } catch {
    // Said below: whatever it is, it is none of ours.
  }
  throw new QueryFault('x-ms-continuation is of no answer to this query');
}
