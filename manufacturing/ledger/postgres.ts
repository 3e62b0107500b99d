import { isFault } from '@zerotouch/foundation/fault';
import { PostgresDialect, sql } from 'kysely';
import pg from 'pg';
import { ManufacturingFault } from '../faults.js';
import type { LedgerDialect } from './database.js';

/** Connections of one process: one for the work, one for the sign of life beside it, one spare. */
const CONNECTIONS = 3;
const CONNECT_TIMEOUT_MS = 5_000;
const INT8 = 20;

/** A ledger in a PostgreSQL database, for a hall of stations. The URL may hold a password: it shows nowhere. */
export function postgresDialect(url: string): LedgerDialect {
  const where = placeOf(url);
  const pool = new pg.Pool({
    connectionString: url,
    max: CONNECTIONS,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    application_name: 'zerotouch',
    types: { getTypeParser: (type: number, format) => (type === INT8 ? Number : pg.types.getTypeParser(type, format)) },
  });
  // A connection that breaks between two queries is found out, and replaced, at the next one.
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));
  return {
    kind: 'postgres',
    where,
    dialect: new PostgresDialect({ pool }),
    // The clocks of stations differ; the database has one.
    now: async (db) => {
      const { rows } = await sql<{ now: number }>`select (extract(epoch from clock_timestamp()) * 1000)::bigint as now`.execute(db);
      return rows[0]?.now ?? 0;
    },
    isDuplicate: (error) => codeOf(error) === '23505',
    isTransient: (error) =>
      // Classes 08 (connection), 57P (restart), 40 (deadlock, serialisation), 53 (no room for a connection). Source: PostgreSQL, appendix A.
      /^(08|57P|40|53300)/.test(codeOf(error)) || NETWORK.has(codeOf(error)) || BROKEN.test(messageOf(error)),
    toFault: (error) => {
      if (isFault(error)) return undefined;
      const code = codeOf(error);
      const unreachable = /^(08|57P|53300)/.test(code) || NETWORK.has(code) || BROKEN.test(messageOf(error));
      if (!unreachable && !/^[0-9A-Z]{5}$/.test(code)) return undefined;
      const summary = unreachable ? 'the ledger does not answer' : 'the ledger refused to work';
      return new ManufacturingFault(unreachable ? 'LEDGER_UNREACHABLE' : 'LEDGER_UNUSABLE', summary, {
        where,
        seen: code === '' ? messageOf(error) : `${code}: ${messageOf(error)}`,
        expected: 'a PostgreSQL database in which this user may make tables',
        remedy: unreachable
          ? 'start it, then run the same command with --resume'
          : 'check the user, the database and the rights in the URL',
        cause: error,
      });
    },
  };
}

// What pg itself says, without a code.
const BROKEN = /Connection terminated|timeout exceeded|not queryable/;
const NETWORK = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN']);

/** Host and database of a URL: all of it that may be shown. */
function placeOf(url: string): string {
  try {
    const { host, pathname } = new URL(url);
    return `the ledger at ${host === '' ? 'localhost' : host}${pathname}`;
  } catch {
    throw new ManufacturingFault('LEDGER_UNUSABLE', 'the address of the ledger cannot be read', {
      where: '--ledger',
      expected: 'postgres://USER:PASSWORD@HOST:PORT/DATABASE',
    });
  }
}

function codeOf(error: unknown): string {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  return typeof code === 'string' ? code : '';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
