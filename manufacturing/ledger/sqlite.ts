import { basename, dirname } from 'node:path';
import { isFault } from '@zerotouch/foundation/fault';
import { loadNative } from '@zerotouch/foundation/load-native';
import { CompiledQuery, type DatabaseConnection, type Driver, type Kysely, type SqliteDatabase, SqliteDialect, SqliteDriver } from 'kysely';
import type Libsql from 'libsql';
import { ManufacturingFault } from '../faults.js';
import { type Files, MODE } from '../files.js';
import type { LedgerDialect } from './database.js';
import type { LedgerTables } from './schema.js';

/** How long SQLite itself waits for a lock; it blocks this process, so the rest of the waiting is ours. */
const LOCK_WAIT_MS = 50;
/** What the system says of a path where no ledger can be. */
const NO_PLACE = new Set(['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'EROFS']);

/** A ledger in one file, which several processes of one machine may share. The file is 0600; every commit is on the disk when it returns. */
export async function sqliteDialect(path: string, files: Files): Promise<LedgerDialect> {
  // Loaded only for who asks: it is native code.
  const { default: Database } = await loadNative(() => import('libsql'));
  const where = `the ledger ${path}`;
  try {
    if (!(await files.list(dirname(path)))?.includes(basename(path)))
      await files.create(path, Buffer.alloc(0), MODE.secret).catch(ignoreTaken);
  } catch (error) {
    throw NO_PLACE.has(codeOf(error)) ? unopened(where, codeOf(error), error) : error;
  }
  const open = (): Libsql.Database => {
    const database = opened(() => new Database(path, { timeout: LOCK_WAIT_MS }), where);
    // WAL lets stations read while one writes; FULL syncs at every commit.
    for (const pragma of ['busy_timeout = 50', 'journal_mode = WAL', 'synchronous = FULL', 'foreign_keys = ON']) {
      database.prepare(`pragma ${pragma}`).all();
    }
    return database;
  };
  return {
    kind: 'sqlite',
    where,
    dialect: new ImmediateSqlite({ database: async () => steady(open()) }),
    now: async (_db: Kysely<LedgerTables>, clock) => clock.now(),
    isDuplicate: (error) => /UNIQUE constraint failed|SQLITE_CONSTRAINT_(UNIQUE|PRIMARYKEY)/.test(textOf(error)),
    isTransient: (error) => /SQLITE_BUSY|database is locked|database table is locked/.test(textOf(error)),
    toFault: (error) => {
      if (isFault(error) || !/^SQLITE_/.test(codeOf(error))) return undefined;
      const code = /SQLITE_BUSY|SQLITE_LOCKED/.test(codeOf(error)) ? 'LEDGER_UNREACHABLE' : 'LEDGER_UNUSABLE';
      return new ManufacturingFault(code, 'the ledger refused to work', {
        where,
        seen: `${codeOf(error)}: ${(error as Error).message}`,
        expected: 'a ledger of zerotouch on a disk with space left',
        cause: error,
      });
    },
  };
}

/** SQLite names no reason where a file cannot be opened at all: a folder, a file of somebody else. */
function opened(open: () => Libsql.Database, where: string): Libsql.Database {
  try {
    return open();
  } catch (error) {
    throw /Unable to open connection/.test(textOf(error)) ? unopened(where, 'it cannot be opened', error) : error;
  }
}

function unopened(where: string, seen: string, cause: unknown): ManufacturingFault {
  return new ManufacturingFault('LEDGER_UNUSABLE', 'there can be no ledger here', {
    where,
    seen,
    expected: 'a file, new or of zerotouch, in a folder that is there and can be written',
    remedy: 'make the folder first, or name another file with --ledger',
    cause,
  });
}

// libsql leaves a statement that failed open until its garbage is collected, and an open "begin" keeps every later commit from working.
function steady(database: Libsql.Database): SqliteDatabase {
  return {
    close() {
      try {
        // The last one to leave takes -wal and -shm with it; libsql's close alone leaves them.
        database.exec('pragma journal_mode = DELETE');
      } catch {
        // Others are still at work here.
      }
      database.close();
    },
    prepare(text) {
      if (!/^(begin|commit|rollback)/.test(text)) return database.prepare(text);
      const run = () => {
        // A full disk ends the transaction by itself; a rollback that failed for that would be told instead of it.
        if (text !== 'rollback' || database.inTransaction) database.exec(text);
        return { changes: 0, lastInsertRowid: 0 };
      };
      return { reader: false, run, all: () => [], iterate: () => [].values() };
    },
  };
}

// Our transactions write: a lock taken at their start waits its turn, one taken in their middle fails.
class ImmediateSqlite extends SqliteDialect {
  readonly #config: ConstructorParameters<typeof SqliteDialect>[0];

  constructor(config: ConstructorParameters<typeof SqliteDialect>[0]) {
    super(config);
    this.#config = config;
  }

  override createDriver(): Driver {
    return new ImmediateDriver(this.#config);
  }
}

class ImmediateDriver extends SqliteDriver {
  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('begin immediate'));
  }
}

function ignoreTaken(error: unknown): void {
  if (codeOf(error) !== 'EEXIST') throw error;
}

function codeOf(error: unknown): string {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  return typeof code === 'string' ? code : '';
}

function textOf(error: unknown): string {
  return `${codeOf(error)} ${error instanceof Error ? error.message : String(error)}`;
}
