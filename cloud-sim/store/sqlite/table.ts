import type { Statement } from 'libsql';
import type { Page, PageRequest, Table } from '../store.js';
import type { Access } from './connection.js';

interface Row {
  key: string;
  value: string;
}

/** Behind every key that starts with the prefix before it. */
const LAST = '\u{10FFFF}';

/** SQL that makes the table of a name, and its index by group. */
export function tableSql(name: string): string {
  return `CREATE TABLE IF NOT EXISTS ${name} (key TEXT PRIMARY KEY, grp TEXT, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS ${name}_by_group ON ${name} (grp, key) WHERE grp IS NOT NULL;`;
}

/** The statements of a table. Each finds its rows by an index. */
export function statements(name: string) {
  return {
    get: `SELECT value FROM ${name} WHERE key = ?`,
    put: `INSERT INTO ${name} (key, grp, value) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET grp = excluded.grp, value = excluded.value`,
    delete: `DELETE FROM ${name} WHERE key = ?`,
    list: `SELECT value FROM ${name} WHERE key >= ? AND key < ? ORDER BY key`,
    count: `SELECT COUNT(*) AS count FROM ${name} WHERE key >= ? AND key < ?`,
    page: `SELECT key, value FROM ${name} WHERE key > ? AND key < ? ORDER BY key LIMIT ?`,
    pageOfGroup: `SELECT key, value FROM ${name} WHERE grp = ? AND key > ? AND key < ? ORDER BY key LIMIT ?`,
  } as const;
}

/** Records of one kind in a database, as JSON. */
export class SqliteTable<T> implements Table<T> {
  readonly #access: Access;
  readonly #groupOf: (record: T) => string | undefined;
  readonly #sql: { readonly [Name in keyof ReturnType<typeof statements>]: Statement<unknown[]> };

  constructor(access: Access, name: string, groupOf: (record: T) => string | undefined = () => undefined) {
    this.#access = access;
    this.#groupOf = groupOf;
    const prepare = (sql: string): Statement<unknown[]> => access.database.prepare<unknown[]>(sql);
    const sql = statements(name);
    this.#sql = {
      get: prepare(sql.get),
      put: prepare(sql.put),
      delete: prepare(sql.delete),
      list: prepare(sql.list),
      count: prepare(sql.count),
      page: prepare(sql.page),
      pageOfGroup: prepare(sql.pageOfGroup),
    };
  }

  get(key: string): Promise<T | undefined> {
    return this.#access.read(() => this.#read(key));
  }

  update<R extends T | undefined>(key: string, change: (current: T | undefined) => R): Promise<R> {
    return this.#access.write(() => {
      const current = this.#read(key);
      const next = change(current);
      if (next === undefined) {
        if (current !== undefined) this.#sql.delete.run(key);
      } else if (next !== current) this.#sql.put.run(key, this.#groupOf(next) ?? null, JSON.stringify(next));
      return next;
    });
  }

  delete(key: string): Promise<boolean> {
    return this.#access.write(() => this.#sql.delete.run(key).changes > 0);
  }

  list(prefix = ''): Promise<T[]> {
    return this.#access.read(() => (this.#sql.list.all(prefix, prefix + LAST) as Row[]).map(({ value }) => JSON.parse(value) as T));
  }

  count(prefix = ''): Promise<number> {
    return this.#access.read(() => (this.#sql.count.get(prefix, prefix + LAST) as { count: number }).count);
  }

  page({ limit, prefix = '', after = prefix, group }: PageRequest): Promise<Page<T>> {
    return this.#access.read(() => {
      // One more than asked for tells that there is a next page.
      const rows = (
        group === undefined
          ? this.#sql.page.all(after, prefix + LAST, limit + 1)
          : this.#sql.pageOfGroup.all(group, after, prefix + LAST, limit + 1)
      ) as Row[];
      const shown = rows.slice(0, limit);
      return {
        keys: shown.map(({ key }) => key),
        records: shown.map(({ value }) => JSON.parse(value) as T),
        next: rows.length > limit ? shown.at(-1)?.key : undefined,
      };
    });
  }

  #read(key: string): T | undefined {
    const row = this.#sql.get.get(key) as Row | undefined;
    return row === undefined ? undefined : (JSON.parse(row.value) as T);
  }
}
