import { type Generated, type Kysely, sql } from 'kysely';
import { ManufacturingFault } from '../faults.js';
import type { BatchState, DeviceState, IdentityStatus } from './records.js';

/** Version of the tables below. */
export const LEDGER_VERSION = 1;

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
  ledger_sessions: {
    id: string;
    station: string;
    host: string;
    pid: number;
    alive_until: number;
  };
}

/** Each step from one version to the next; a step that was released is never changed, a later one is added. */
const MIGRATIONS: ((db: Kysely<LedgerTables>, kind: DatabaseKind) => Promise<void>)[] = [firstTables];

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

async function firstTables(db: Kysely<LedgerTables>, kind: DatabaseKind): Promise<void> {
  await db.schema
    .createTable('ledger_batches')
    .addColumn('batch', 'text', (column) => column.primaryKey().notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('devices', 'integer', (column) => column.notNull())
    .addColumn('spec_digest', 'text', (column) => column.notNull())
    .addColumn('spec', 'text', (column) => column.notNull())
    .addColumn('sources', 'text')
    .addColumn('locked_by', 'text')
    .addColumn('created_by', 'text', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('completed_at', 'bigint')
    .execute();
  await db.schema
    .createTable('ledger_devices')
    .addColumn('batch', 'text', (column) => column.notNull().references('ledger_batches.batch'))
    .addColumn('position', 'integer', (column) => column.notNull())
    .addColumn('registration_id', 'text', (column) => column.notNull())
    .addColumn('canonical_id', 'text', (column) => column.notNull())
    .addColumn('serial', 'text', (column) => column.notNull())
    .addColumn('canonical_serial', 'text', (column) => column.notNull())
    .addColumn('mac', 'text')
    .addColumn('attestation', 'text', (column) => column.notNull())
    .addColumn('enrolment', 'text', (column) => column.notNull())
    .addColumn('enrolment_group', 'text')
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('identity', 'text')
    .addColumn('claimed_by', 'text')
    .addColumn('station', 'text')
    .addColumn('operator', 'text')
    .addColumn('changed_at', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('ledger_devices_key', ['batch', 'position'])
    .addCheckConstraint('ledger_devices_state', sql`state in ('planned', 'issued', 'burnt', 'verified', 'shipped', 'scrapped', 'returned')`)
    .execute();
  await unique(db, 'ledger_devices', 'canonical_id');
  await unique(db, 'ledger_devices', 'canonical_serial');
  await unique(db, 'ledger_devices', 'mac');
  await db.schema.createIndex('ledger_devices_work').on('ledger_devices').columns(['batch', 'state', 'position']).execute();
  await db.schema
    .createTable('ledger_identities')
    .addColumn('id', 'text', (column) => column.primaryKey().notNull())
    .addColumn('batch', 'text', (column) => column.notNull())
    .addColumn('position', 'integer', (column) => column.notNull())
    .addColumn('status', 'text', (column) => column.notNull())
    .addColumn('certificate_serial', 'text')
    .addColumn('public_key', 'text')
    .addColumn('thumbprint', 'text')
    .addColumn('not_after', 'text')
    .addColumn('certificate', 'text')
    .addColumn('partitions', 'text', (column) => column.notNull())
    .addColumn('issued_at', 'bigint', (column) => column.notNull())
    .addForeignKeyConstraint('ledger_identities_device', ['batch', 'position'], 'ledger_devices', ['batch', 'position'])
    .execute();
  await unique(db, 'ledger_identities', 'certificate_serial');
  await unique(db, 'ledger_identities', 'public_key');
  await unique(db, 'ledger_identities', 'thumbprint');
  await db.schema.createIndex('ledger_identities_device_index').on('ledger_identities').columns(['batch', 'position']).execute();
  await db.schema
    .createTable('ledger_history')
    .addColumn('id', kind === 'sqlite' ? 'integer' : 'bigserial', (column) =>
      kind === 'sqlite' ? column.primaryKey().autoIncrement() : column.primaryKey(),
    )
    .addColumn('batch', 'text', (column) => column.notNull())
    .addColumn('position', 'integer', (column) => column.notNull())
    .addColumn('registration_id', 'text', (column) => column.notNull())
    .addColumn('from_state', 'text', (column) => column.notNull())
    .addColumn('to_state', 'text', (column) => column.notNull())
    .addColumn('identity', 'text')
    .addColumn('reason', 'text')
    .addColumn('station', 'text', (column) => column.notNull())
    .addColumn('operator', 'text')
    .addColumn('at', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema.createIndex('ledger_history_device').on('ledger_history').columns(['batch', 'position']).execute();
  await db.schema
    .createTable('ledger_sessions')
    .addColumn('id', 'text', (column) => column.primaryKey().notNull())
    .addColumn('station', 'text', (column) => column.notNull())
    .addColumn('host', 'text', (column) => column.notNull())
    .addColumn('pid', 'integer', (column) => column.notNull())
    .addColumn('alive_until', 'bigint', (column) => column.notNull())
    .execute();
  await appendOnly(db, kind);
}

async function unique(db: Kysely<LedgerTables>, table: keyof LedgerTables, column: string): Promise<void> {
  await db.schema.createIndex(`${table}_${column}_once`).unique().on(table).column(column).execute();
}

// The database itself refuses to change what was written, whoever asks.
async function appendOnly(db: Kysely<LedgerTables>, kind: DatabaseKind): Promise<void> {
  if (kind === 'sqlite') {
    for (const change of ['update', 'delete']) {
      await sql`create trigger ${sql.ref(`ledger_history_no_${change}`)} before ${sql.raw(change)} on ledger_history
        begin select raise(abort, 'the history of a ledger is only ever added to'); end`.execute(db);
    }
    return;
  }
  await sql`create function ledger_history_is_append_only() returns trigger language plpgsql as
    $$ begin raise exception 'the history of a ledger is only ever added to'; end $$`.execute(db);
  await sql`create trigger ledger_history_no_change before update or delete or truncate on ledger_history
    for each statement execute function ledger_history_is_append_only()`.execute(db);
}
