import type { Page, PageRequest, RegistrationRecord, Store, Table, Tables } from './store.js';

/** The DPS that every cloud has. */
export const FIRST_SERVICE = 'zerotouch';

/** The tables whose records belong to one DPS each. */
export const SERVICE_TABLES = ['individuals', 'groups', 'certificates', 'registrations', 'policies', 'links', 'service'] as const;

/** Key of a record of a DPS: its name holds no slash. */
export function serviceKey(service: string, key: string): string {
  return `${service}/${key}`;
}

/** The store as one DPS sees it: its own records by their own keys, and everything that all share. Closing it closes the whole store. */
export function serviceStore(store: Store, service: string): Store {
  return {
    ...store,
    ...serviceTables(store, service),
    together: (work) => store.together((tables) => work(serviceTables(tables, service))),
  };
}

/** Takes all records of a DPS away. */
export async function forgetService(tables: Tables, service: string): Promise<void> {
  const own = serviceTables(tables, service);
  for (const name of SERVICE_TABLES) {
    const table: Pick<Table<unknown>, 'page' | 'delete'> = own[name];
    for (let page = await table.page({ limit: 1000 }); page.keys.length > 0; page = await table.page({ limit: 1000 })) {
      for (const key of page.keys) await table.delete(key);
    }
  }
}

function serviceTables(tables: Tables, service: string): Tables {
  const own = <T>(table: Table<T>): Table<T> => new OwnPart(table, serviceKey(service, ''));
  return {
    ...tables,
    individuals: own(tables.individuals),
    groups: own(tables.groups),
    certificates: own(tables.certificates),
    registrations: own(tables.registrations),
    policies: own(tables.policies),
    links: own(tables.links),
    service: own(tables.service),
  };
}

/** The records of a table whose key starts with a prefix, under the keys without it. */
export class OwnPart<T> implements Table<T> {
  readonly #table: Table<T>;
  readonly #prefix: string;

  constructor(table: Table<T>, prefix: string) {
    this.#table = table;
    this.#prefix = prefix;
  }

  get = (key: string): Promise<T | undefined> => this.#table.get(this.#prefix + key);
  update = <R extends T | undefined>(key: string, change: (current: T | undefined) => R): Promise<R> =>
    this.#table.update(this.#prefix + key, change);
  delete = (key: string): Promise<boolean> => this.#table.delete(this.#prefix + key);
  list = (prefix = ''): Promise<T[]> => this.#table.list(this.#prefix + prefix);
  count = (prefix = ''): Promise<number> => this.#table.count(this.#prefix + prefix);

  async page({ after, prefix = '', ...request }: PageRequest): Promise<Page<T>> {
    const { keys, records, next } = await this.#table.page({
      ...request,
      prefix: this.#prefix + prefix,
      after: after === undefined ? undefined : this.#prefix + after,
    });
    const bare = (key: string): string => key.slice(this.#prefix.length);
    return { keys: keys.map(bare), records, next: next === undefined ? undefined : bare(next) };
  }
}

/** Where a device was assigned last, by whichever DPS. */
export async function placeOf(store: Store, registrationKey: string): Promise<RegistrationRecord['place']> {
  for (const { name } of await store.service.list()) {
    const place = (await store.registrations.get(serviceKey(name, registrationKey)))?.place;
    if (place !== undefined) return place;
  }
  return undefined;
}
