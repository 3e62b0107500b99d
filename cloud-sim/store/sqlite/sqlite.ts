import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { loadNative } from '@zerotouch/foundation/load-native';
import type { Database } from 'libsql';
import { CloudFault } from '../../faults.js';
import { FIRST_SERVICE, SERVICE_TABLES } from '../service-store.js';
import { groupOf, type Store, type Tables } from '../store.js';
import { ATTEMPTS_SQL, SqliteAttempts } from './attempts.js';
import { type Access, Connection } from './connection.js';
import { SqliteTable, tableSql } from './table.js';

/** The file in the folder of a durable cloud. */
export const STORE_FILE = 'cloud.db';
/** Version of the tables in it. A newer one is refused: an older program would lose what it does not know. */
export const STORE_VERSION = 4;
/** Tells our databases from others: "ZTCL". */
const APPLICATION_ID = 0x5a54434c;

/** Every table, by the compiler's word. */
const TABLES: readonly (keyof Tables)[] = Object.keys({
  individuals: true,
  groups: true,
  certificates: true,
  registrations: true,
  policies: true,
  hubs: true,
  removedHubs: true,
  resourceGroups: true,
  principals: true,
  links: true,
  service: true,
  authority: true,
  devices: true,
  twins: true,
  modules: true,
  moduleTwins: true,
  queues: true,
  feedback: true,
  configurations: true,
  hubCertificates: true,
} satisfies Record<keyof Tables, true>) as (keyof Tables)[];

/**
 * Opens the durable store in a folder, or makes it (0700; the file is 0600: it holds keys). What was answered survives the process and the
 * machine: every write is synced to the disk before its promise resolves. One process at a time has it.
 * @throws CloudFault STORE_UNUSABLE (no database of ours, no access, in use), STORE_VERSION
 */
export async function sqliteStore(folder: string): Promise<Store> {
  // Loaded only for who asks: it is native code.
  const { default: Libsql } = await loadNative(() => import('libsql'));
  const file = join(folder, STORE_FILE);
  let database: Database | undefined;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    // SQLite would make it readable for all, and its other files like it.
    closeSync(openSync(file, 'a', 0o600));
    database = new Libsql(file);
    prepare(database, file);
  } catch (error) {
    database?.close();
    throw error instanceof CloudFault ? error : unusable(file, error);
  }
  const connection = new Connection(database);
  return {
    ...tablesOver(connection),
    attempts: new SqliteAttempts(connection),
    together: (work) => connection.alone((access) => work(tablesOver(access))),
    close: () => connection.close(),
  };
}

function tablesOver(access: Access): Tables {
  return {
    individuals: new SqliteTable(access, 'individuals'),
    groups: new SqliteTable(access, 'groups'),
    certificates: new SqliteTable(access, 'certificates'),
    registrations: new SqliteTable(access, 'registrations', groupOf),
    policies: new SqliteTable(access, 'policies'),
    hubs: new SqliteTable(access, 'hubs'),
    removedHubs: new SqliteTable(access, 'removedHubs'),
    resourceGroups: new SqliteTable(access, 'resourceGroups'),
    principals: new SqliteTable(access, 'principals'),
    links: new SqliteTable(access, 'links'),
    service: new SqliteTable(access, 'service'),
    authority: new SqliteTable(access, 'authority'),
    devices: new SqliteTable(access, 'devices'),
    twins: new SqliteTable(access, 'twins'),
    modules: new SqliteTable(access, 'modules'),
    moduleTwins: new SqliteTable(access, 'moduleTwins'),
    queues: new SqliteTable(access, 'queues'),
    feedback: new SqliteTable(access, 'feedback'),
    configurations: new SqliteTable(access, 'configurations'),
    hubCertificates: new SqliteTable(access, 'hubCertificates'),
  };
}

function prepare(database: Database, file: string): void {
  database.exec('PRAGMA busy_timeout = 0');
  const version = pragma(database, 'user_version');
  const application = pragma(database, 'application_id');
  const { count } = database.prepare('SELECT COUNT(*) AS count FROM sqlite_schema').get() as { count: number };
  if (count > 0 && application !== APPLICATION_ID) {
    throw new CloudFault('STORE_UNUSABLE', 'the database is not one of a local cloud', {
      where: file,
      remedy: 'name an empty folder, or one that zerotouch cloud --data made',
    });
  }
  if (count > 0 && (typeof version !== 'number' || version < 1 || version > STORE_VERSION)) {
    throw new CloudFault('STORE_VERSION', 'the data are of another version', {
      where: file,
      seen: version,
      expected: `version 1 to ${STORE_VERSION}`,
      remedy: 'use the zerotouch that wrote them',
    });
  }
  // Exclusive: a second process is refused instead of serving the same devices with other connections.
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA locking_mode = EXCLUSIVE;');
  database.exec(
    `BEGIN EXCLUSIVE; ${TABLES.map(tableSql).join('\n')} ${ATTEMPTS_SQL} ${count > 0 ? upgrades(Number(version)) : ''}
     PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${STORE_VERSION}; COMMIT;`,
  );
}

/** SQL that makes data of an older version into those of this one. */
function upgrades(from: number): string {
  // Version 1 had one DPS, whose records had no name before their keys. Versions 2 and 3 lacked tables only, which are made in any case.
  return from < 2 ? SERVICE_TABLES.map((name) => `UPDATE ${name} SET key = '${FIRST_SERVICE}/' || key;`).join('\n') : '';
}

function pragma(database: Database, name: string): unknown {
  return Object.values(database.prepare(`PRAGMA ${name}`).get() as object)[0];
}

function unusable(file: string, cause: unknown): CloudFault {
  const { code } = cause as { code?: unknown };
  if (code === 'SQLITE_BUSY') {
    return new CloudFault('STORE_UNUSABLE', 'another process has the data open', { where: file, remedy: 'end that cloud first', cause });
  }
  return new CloudFault('STORE_UNUSABLE', `the data cannot be opened (${String(code)})`, {
    where: file,
    expected: 'a folder that can be written, with no other database in it',
    cause,
  });
}
