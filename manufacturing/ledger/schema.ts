import { type Generated, type Kysely, sql } from 'kysely';
import { ManufacturingFault } from '../faults.js';
import { firstTables } from './first-tables.js';
import type { BatchState, DeviceState, EventKind, IdentityStatus } from './records.js';
import { secondTables } from './second-tables.js';

/** Version of the tables below. */
export const LEDGER_VERSION = 2;

/** Kinds of database a ledger is kept in. */
export type DatabaseKind = 'sqlite' | 'postgres';

/** The tables of a ledger. Times are milliseconds since 1970. No column holds a private or a symmetric key. */
export interface LedgerTables {
  ledger_schema: { version: number; applied_at: number };
  ledger_batches: {
    batch: string;
    state: BatchState;
    devices: number;
    spec_digest: string;
    spec: string;
    sources: string | null;
    /** The session that prepares the batch or writes its documents. */
    locked_by: string | null;
    created_by: string;
    created_at: number;
    completed_at: number | null;
  };
  ledger_devices: {
    batch: string;
    position: number;
    registration_id: string;
    canonical_id: string;
    serial: string;
    canonical_serial: string;
    mac: string | null;
    attestation: string;
    enrolment: 'group' | 'individual';
    enrolment_group: string | null;
    state: DeviceState;
    identity: string | null;
    /** The session that has the device in hand. */
    claimed_by: string | null;
    station: string | null;
    operator: string | null;
    changed_at: number;
  };
  ledger_identities: {
    id: string;
    batch: string;
    position: number;
    status: IdentityStatus;
    certificate_serial: string | null;
    public_key: string | null;
    thumbprint: string | null;
    not_after: string | null;
    certificate: string | null;
    partitions: string;
    issued_at: number;
  };
  ledger_history: {
    id: Generated<number>;
    batch: string;
    position: number;
    registration_id: string;
    from_state: DeviceState;
    to_state: DeviceState;
    identity: string | null;
    reason: string | null;
    station: string;
    operator: string | null;
    at: number;
  };
  ledger_events: {
    id: Generated<number>;
    batch: string;
    kind: EventKind;
    /** Id of the enrolment group it is about; empty where it is about the whole batch. */
    subject: string;
    /** JSON. */
    detail: string;
    reason: string;
    station: string;
    operator: string | null;
    at: number;
  };
  ledger_sessions: {
    id: string;
    station: string;
    host: string;
    pid: number;
    alive_until: number;
  };
}

/** Each step from one version to the next; a step that was released is never changed, a later one is added. */
const MIGRATIONS: ((db: Kysely<LedgerTables>, kind: DatabaseKind) => Promise<void>)[] = [firstTables, secondTables];

/**
 * Brings the tables to {@link LEDGER_VERSION}; to be run in one transaction.
 * @throws ManufacturingFault LEDGER_NEWER
 */
export async function migrate(db: Kysely<LedgerTables>, kind: DatabaseKind, where: string, now: number): Promise<void> {
  // Two stations that start at once must not both make the tables; SQLite's write lock is held already.
  if (kind === 'postgres') await sql`select pg_advisory_xact_lock(7301400114)`.execute(db);
  await db.schema
    .createTable('ledger_schema')
    .ifNotExists()
    .addColumn('version', 'integer', (column) => column.primaryKey())
    .addColumn('applied_at', 'bigint', (column) => column.notNull())
    .execute();
  const found = await db.selectFrom('ledger_schema').select('version').orderBy('version', 'desc').executeTakeFirst();
  const version = found?.version ?? 0;
  if (version > LEDGER_VERSION) {
    throw new ManufacturingFault('LEDGER_NEWER', 'the ledger was written by a newer zerotouch', {
      where,
      seen: `version ${version}`,
      expected: `version ${LEDGER_VERSION} or older`,
      remedy: 'update zerotouch on this station',
    });
  }
  for (const [index, step] of MIGRATIONS.entries()) {
    if (index < version) continue;
    await step(db, kind);
    await db
      .insertInto('ledger_schema')
      .values({ version: index + 1, applied_at: now })
      .execute();
  }
}
