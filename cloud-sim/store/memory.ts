import type { Attempt } from '../reasons.js';
import { ATTEMPTS_PER_DEVICE, DEVICES_WITH_ATTEMPTS } from './bounds.js';
import { type AttemptLog, groupOf, type Page, type PageRequest, type Store, type Table, type Tables } from './store.js';

/** Behind every key that starts with the prefix before it. */
const LAST = '\u{10FFFF}';

/** A store that ends with the process. */
export function memoryStore(): Store {
  const tables: Tables = {
    individuals: new MemoryTable(),
    groups: new MemoryTable(),
    certificates: new MemoryTable(),
    registrations: new MemoryTable(groupOf),
    policies: new MemoryTable(),
    hubs: new MemoryTable(),
    removedHubs: new MemoryTable(),
    resourceGroups: new MemoryTable(),
    principals: new MemoryTable(),
    links: new MemoryTable(),
    service: new MemoryTable(),
    authority: new MemoryTable(),
    devices: new MemoryTable(),
    twins: new MemoryTable(),
    modules: new MemoryTable(),
    moduleTwins: new MemoryTable(),
    queues: new MemoryTable(),
    feedback: new MemoryTable(),
    configurations: new MemoryTable(),
    hubCertificates: new MemoryTable(),
  };
  return { ...tables, attempts: new MemoryAttempts(), together: (work) => together(tables, work), close: async () => {} };
}

async function together<R>(tables: Tables, work: (store: Tables) => Promise<R>): Promise<R> {
  const undo: Undo[] = [];
  const watched = <T>(table: Table<T>): Table<T> => new WatchedTable(table, undo);
  try {
    return await work({
      individuals: watched(tables.individuals),
      groups: watched(tables.groups),
      certificates: watched(tables.certificates),
      registrations: watched(tables.registrations),
      policies: watched(tables.policies),
      hubs: watched(tables.hubs),
      removedHubs: watched(tables.removedHubs),
      resourceGroups: watched(tables.resourceGroups),
      principals: watched(tables.principals),
      links: watched(tables.links),
      service: watched(tables.service),
      authority: watched(tables.authority),
      devices: watched(tables.devices),
      twins: watched(tables.twins),
      modules: watched(tables.modules),
      moduleTwins: watched(tables.moduleTwins),
      queues: watched(tables.queues),
      feedback: watched(tables.feedback),
      configurations: watched(tables.configurations),
      hubCertificates: watched(tables.hubCertificates),
    });
  } catch (error) {
    for (const step of undo.reverse()) await step();
    throw error;
  }
}

type Undo = () => Promise<unknown>;

/** A table that keeps how to undo what is written through it. */
class WatchedTable<T> implements Table<T> {
  readonly #table: Table<T>;
  readonly #undo: Undo[];

  constructor(table: Table<T>, undo: Undo[]) {
    this.#table = table;
    this.#undo = undo;
  }

  update<R extends T | undefined>(key: string, change: (current: T | undefined) => R): Promise<R> {
    return this.#table.update(key, (current) => {
      const next = change(current);
      this.#undo.push(() => this.#table.update(key, () => current));
      return next;
    });
  }

  async delete(key: string): Promise<boolean> {
    const before = await this.#table.get(key);
    this.#undo.push(() => this.#table.update(key, () => before));
    return this.#table.delete(key);
  }

  get = (key: string): Promise<T | undefined> => this.#table.get(key);
  list = (prefix?: string): Promise<T[]> => this.#table.list(prefix);
  count = (prefix?: string): Promise<number> => this.#table.count(prefix);
  page = (request: PageRequest): Promise<Page<T>> => this.#table.page(request);
}

class MemoryTable<T> implements Table<T> {
  readonly #records = new Map<string, T>();
  readonly #groupOf: (record: T) => string | undefined;
  #sortedKeys: string[] | undefined;

  constructor(groupOf: (record: T) => string | undefined = () => undefined) {
    this.#groupOf = groupOf;
  }

  async get(key: string): Promise<T | undefined> {
    return this.#records.get(key);
  }

  async update<R extends T | undefined>(key: string, change: (current: T | undefined) => R): Promise<R> {
    const next = change(this.#records.get(key));
    if (next === undefined) await this.delete(key);
    else {
      if (!this.#records.has(key)) this.#sortedKeys = undefined;
      this.#records.set(key, next);
    }
    return next;
  }

  async delete(key: string): Promise<boolean> {
    const existed = this.#records.delete(key);
    if (existed) this.#sortedKeys = undefined;
    return existed;
  }

  async list(prefix = ''): Promise<T[]> {
    const keys = this.#keys();
    const found: T[] = [];
    for (let index = firstFrom(keys, prefix); keys[index]?.startsWith(prefix) === true; index++) {
      found.push(this.#records.get(keys[index] as string) as T);
    }
    return found;
  }

  async page({ limit, group, prefix = '', after = prefix }: PageRequest): Promise<Page<T>> {
    const found: { key: string; record: T }[] = [];
    const keys = this.#keys();
    for (let index = firstBehind(keys, after); index < keys.length; index++) {
      const key = keys[index] as string;
      if (!key.startsWith(prefix)) break;
      const record = this.#records.get(key) as T;
      if (group !== undefined && this.#groupOf(record) !== group) continue;
      found.push({ key, record });
      // One more than asked for tells that there is a next page.
      if (found.length > limit) break;
    }
    const shown = found.slice(0, limit);
    return {
      keys: shown.map(({ key }) => key),
      records: shown.map(({ record }) => record),
      next: found.length > limit ? shown.at(-1)?.key : undefined,
    };
  }

  async count(prefix = ''): Promise<number> {
    if (prefix === '') return this.#records.size;
    const keys = this.#keys();
    return firstFrom(keys, prefix + LAST) - firstFrom(keys, prefix);
  }

  #keys(): readonly string[] {
    this.#sortedKeys ??= [...this.#records.keys()].sort();
    return this.#sortedKeys;
  }
}

class MemoryAttempts implements AttemptLog {
  readonly #attempts = new Map<string, readonly Attempt[]>();

  async append(key: string, attempt: Attempt): Promise<void> {
    const kept = [...(this.#attempts.get(key) ?? []), attempt].slice(-ATTEMPTS_PER_DEVICE);
    // A map iterates in order of insertion: taken out and put back, the key is the most recent.
    this.#attempts.delete(key);
    this.#attempts.set(key, kept);
    if (this.#attempts.size > DEVICES_WITH_ATTEMPTS) {
      const oldest = this.#attempts.keys().next();
      if (oldest.done !== true) this.#attempts.delete(oldest.value);
    }
  }

  async list(key: string): Promise<Attempt[]> {
    return [...(this.#attempts.get(key) ?? [])];
  }
}

/** Index of the first key behind `after`. */
function firstBehind(keys: readonly string[], after: string): number {
  return first(keys, (key) => key > after);
}

/** Index of the first key that is `start` or behind it. */
function firstFrom(keys: readonly string[], start: string): number {
  return first(keys, (key) => key >= start);
}

/** Index of the first key that `is` so, as all after it are. */
function first(keys: readonly string[], is: (key: string) => boolean): number {
  let [low, high] = [0, keys.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (is(keys[middle] as string)) high = middle;
    else low = middle + 1;
  }
  return low;
}
