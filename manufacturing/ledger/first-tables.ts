import { type Kysely, sql } from 'kysely';
import type { DatabaseKind, LedgerTables } from './schema.js';

/** Version 1. Never changed: ledgers of that version are out there. */
export async function firstTables(db: Kysely<LedgerTables>, kind: DatabaseKind): Promise<void> {
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

/** A unique index on one column. */
export async function unique(db: Kysely<LedgerTables>, table: keyof LedgerTables, column: string): Promise<void> {
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
