import { type Kysely, sql } from 'kysely';
import type { DatabaseKind, LedgerTables } from './schema.js';

const STATES = "'planned', 'issued', 'burnt', 'verified', 'shipped', 'quarantined', 'scrapped', 'returned'";

/**
 * Version 2: quarantine; what happens to a whole batch; and a key that was made outside (in a TPM, in an HSM) may be certified once more for the
 * device it belongs to, when an earlier identity of that device came to nothing or was retired.
 */
export async function secondTables(db: Kysely<LedgerTables>, kind: DatabaseKind): Promise<void> {
  if (kind === 'postgres') {
    await sql`alter table ledger_devices drop constraint ledger_devices_state`.execute(db);
    await sql`alter table ledger_devices add constraint ledger_devices_state check (state in (${sql.raw(STATES)}))`.execute(db);
  } else await rebuildDevices(db);
  await db.schema.dropIndex('ledger_identities_public_key_once').execute();
  await sql`create unique index ledger_identities_public_key_once on ledger_identities (public_key)
    where status in ('issued', 'burnt')`.execute(db);
  // What was retired stays its device's own: looked up where a key comes from outside.
  await db.schema.createIndex('ledger_identities_public_key').on('ledger_identities').column('public_key').execute();
  await db.schema
    .createTable('ledger_events')
    .addColumn('id', kind === 'sqlite' ? 'integer' : 'bigserial', (column) =>
      kind === 'sqlite' ? column.primaryKey().autoIncrement() : column.primaryKey(),
    )
    .addColumn('batch', 'text', (column) => column.notNull().references('ledger_batches.batch'))
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('subject', 'text', (column) => column.notNull())
    .addColumn('detail', 'text', (column) => column.notNull())
    .addColumn('reason', 'text', (column) => column.notNull())
    .addColumn('station', 'text', (column) => column.notNull())
    .addColumn('operator', 'text')
    .addColumn('at', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema.createIndex('ledger_events_batch').on('ledger_events').columns(['batch', 'id']).execute();
  await appendOnly(db, kind);
}

// SQLite cannot change a check. Its tables are made again under other names, those that point at others first to go.
async function rebuildDevices(db: Kysely<LedgerTables>): Promise<void> {
  const made = async (table: string): Promise<string> => {
    const { rows } = await sql<{ text: string }>`select sql as text from sqlite_master where type = 'table' and name = ${table}`.execute(
      db,
    );
    return rows[0]?.text ?? '';
  };
  const indexes = await sql<{ text: string }>`select sql as text from sqlite_master
    where type = 'index' and sql is not null and tbl_name in ('ledger_devices', 'ledger_identities')`.execute(db);
  const devices = await made('ledger_devices');
  const identities = await made('ledger_identities');
  await sql.raw(devices.replace('ledger_devices', 'new_devices').replace(/state in \([^)]*\)/, `state in (${STATES})`)).execute(db);
  await sql.raw(identities.replaceAll(/"ledger_(devices|identities)"/g, '"new_$1"')).execute(db);
  for (const table of ['devices', 'identities']) await sql.raw(`insert into new_${table} select * from ledger_${table}`).execute(db);
  for (const table of ['identities', 'devices']) await sql.raw(`drop table ledger_${table}`).execute(db);
  for (const table of ['devices', 'identities']) await sql.raw(`alter table new_${table} rename to ledger_${table}`).execute(db);
  for (const { text } of indexes.rows) await sql.raw(text).execute(db);
}

async function appendOnly(db: Kysely<LedgerTables>, kind: DatabaseKind): Promise<void> {
  if (kind === 'sqlite') {
    for (const change of ['update', 'delete']) {
      await sql`create trigger ${sql.ref(`ledger_events_no_${change}`)} before ${sql.raw(change)} on ledger_events
        begin select raise(abort, 'the events of a ledger are only ever added to'); end`.execute(db);
    }
    return;
  }
  await sql`create trigger ledger_events_no_change before update or delete or truncate on ledger_events
    for each statement execute function ledger_history_is_append_only()`.execute(db);
}
