import { z } from 'zod';
import { CloudFault } from '../faults.js';
import { FIRST_SERVICE, SERVICE_TABLES, serviceKey } from './service-store.js';
import type { Store, Table, Tables } from './store.js';

/** Version of {@link CloudState}. */
export const STATE_VERSION = 4;

/** Records read at a time. */
const PAGE = 1000;

/** Everything a cloud knows but its log, as JSON: each table's records by key. It holds keys of devices, hubs and the CA: a secret. */
export interface CloudState {
  zerotouch: 'cloud';
  version: typeof STATE_VERSION;
  tables: Record<keyof Tables, Record<string, unknown>>;
}

const record = z.record(z.string().min(1), z.looseObject({}));
const tables = {
  individuals: record,
  groups: record,
  certificates: record,
  registrations: record,
  policies: record,
  hubs: record,
  removedHubs: record,
  resourceGroups: record,
  principals: record,
  links: record,
  service: record,
  authority: record,
  devices: record,
  twins: record,
  modules: record,
  moduleTwins: record,
  queues: record,
  feedback: record,
  configurations: record,
  hubCertificates: record,
} satisfies Record<keyof Tables, typeof record>;
const head = z.looseObject({ zerotouch: z.literal('cloud'), version: z.number() });
/** Tables that came after version 1. */
const ADDED = [
  'resourceGroups',
  'principals',
  'modules',
  'moduleTwins',
  'queues',
  'feedback',
  'configurations',
  'hubCertificates',
  'removedHubs',
] as const satisfies readonly (keyof Tables)[];
const oldSchema = z.looseObject({ zerotouch: z.literal('cloud'), version: z.literal([1, 2, 3]), tables: z.record(z.string(), record) });
const schema = z.strictObject({ zerotouch: z.literal('cloud'), version: z.literal(STATE_VERSION), tables: z.strictObject(tables) });

/** Everything in a store. */
export function exportState(store: Store): Promise<CloudState> {
  // Together: no write comes between two tables.
  return store.together(async (all) => {
    const read = await Promise.all(Object.keys(tables).map(async (name) => [name, await recordsOf(all[name as keyof Tables])]));
    return structuredClone({ zerotouch: 'cloud', version: STATE_VERSION, tables: Object.fromEntries(read) as CloudState['tables'] });
  });
}

/**
 * Fills an empty store with an exported state: all of it, or nothing.
 * @throws CloudFault STATE_INVALID, STORE_VERSION, STORE_UNUSABLE when the store is not empty
 */
export async function importState(store: Store, input: unknown): Promise<void> {
  const state = parseState(input);
  await store.together(async (all) => {
    for (const name of Object.keys(tables) as (keyof Tables)[]) {
      // What is there is of the same kind: it was checked to be a record, and was exported from such a table.
      const table = all[name] as unknown as Table<unknown>;
      if ((await table.count()) > 0) {
        throw new CloudFault('STORE_UNUSABLE', 'a state can only be taken by a cloud that has none', {
          where: `table ${name}`,
          remedy: 'name a new folder, or leave the state out',
        });
      }
      for (const [key, value] of Object.entries(state.tables[name])) await table.update(key, () => value);
    }
  });
}

async function recordsOf(table: Pick<Table<unknown>, 'page'>): Promise<Record<string, unknown>> {
  const found: [string, unknown][] = [];
  let after: string | undefined;
  do {
    const { keys, records, next } = await table.page({ limit: PAGE, after });
    found.push(...keys.map((key, index): [string, unknown] => [key, records[index]]));
    after = next;
  } while (after !== undefined);
  return Object.fromEntries(found);
}

/**
 * What an older version exported, as this one has it. Version 1 had one DPS, whose records had no name before their keys; version 2 had no
 * modules, messages to devices, configurations nor certificates of hubs; version 3 did not know which hubs were taken away.
 */
function upgraded(input: unknown): unknown {
  const old = oldSchema.safeParse(input);
  if (!old.success) return input;
  const { tables: before, version, ...rest } = old.data;
  const named =
    version > 1
      ? []
      : SERVICE_TABLES.map((name) => {
          const entries = Object.entries(before[name] ?? {}).map(([key, value]) => [serviceKey(FIRST_SERVICE, key), value]);
          return [name, Object.fromEntries(entries)];
        });
  const added = Object.fromEntries(ADDED.map((name) => [name, {}]));
  return { ...rest, version: STATE_VERSION, tables: { ...added, ...before, ...Object.fromEntries(named) } };
}

function parseState(exported: unknown): CloudState {
  const input = upgraded(exported);
  const read = head.safeParse(input);
  if (read.success && read.data.version !== STATE_VERSION) {
    throw new CloudFault('STORE_VERSION', 'the state is of another version', {
      where: 'state > version',
      seen: read.data.version,
      expected: `version 1 to ${STATE_VERSION}`,
    });
  }
  const result = schema.safeParse(input);
  if (result.success) return result.data as CloudState;
  const issue = result.error.issues[0];
  throw new CloudFault('STATE_INVALID', issue?.message ?? 'the state is invalid', {
    where: ['state', ...(issue?.path.slice(0, 2).map(String) ?? [])].join(' > '),
    expected: 'what the export of a local cloud gave',
  });
}
