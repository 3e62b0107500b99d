import { canonicalRegistrationId } from '@zerotouch/azure-wire/ids';
import type { Transaction } from 'kysely';
import { ManufacturingFault } from '../faults.js';
import type { Author, DeviceState } from './records.js';
import { type DeviceRow, selectDevices } from './rows.js';
import type { LedgerTables } from './schema.js';

/** Where people may go from each state; the way back is a new record, never a change of an old one. `planned` again means a new identity. */
const WAYS: Record<DeviceState, readonly DeviceState[]> = {
  planned: ['scrapped'],
  issued: ['scrapped'],
  burnt: ['verified', 'planned', 'quarantined', 'scrapped'],
  verified: ['shipped', 'planned', 'quarantined', 'scrapped'],
  shipped: ['returned', 'scrapped'],
  quarantined: ['verified', 'returned', 'planned', 'scrapped'],
  returned: ['planned', 'shipped', 'quarantined', 'scrapped'],
  scrapped: ['returned'],
};

/** A step that people take with a device. */
export interface Transition {
  registrationId: string;
  to: DeviceState;
  reason: string;
  author: Author;
  /** Milliseconds since 1970. */
  now: number;
  /** How the ledger is called in errors. */
  where: string;
}

/**
 * Moves a device on; `planned` retires its identity.
 * @throws ManufacturingFault LEDGER_UNKNOWN; LEDGER_STATE where there is no such way, or a station has the device in hand
 */
export async function recordTransition(
  db: Transaction<LedgerTables>,
  { registrationId, to, reason, author, now, where }: Transition,
): Promise<DeviceRow> {
  const { station, operator = null }: { station: string; operator?: string | null } = author;
  const canonical = canonicalRegistrationId(registrationId);
  const device = await selectDevices(db).where('device.canonical_id', '=', canonical).executeTakeFirst();
  if (device === undefined) throw unknown(registrationId, where);
  const { batch, position, registration_id, state, identity } = device;
  if (!WAYS[state].includes(to)) throw noWay(registration_id, state, to);
  const { numUpdatedRows } = await db
    .updateTable('ledger_devices')
    .set({ state: to, station, operator, changed_at: now, claimed_by: null, ...(to === 'planned' ? { identity: null } : {}) })
    .where('canonical_id', '=', canonical)
    .where('state', '=', state)
    .executeTakeFirst();
  if (numUpdatedRows !== 1n) throw noWay(registration_id, state, to);
  if (to === 'planned') await retire(db, batch, identity);
  await db
    .insertInto('ledger_history')
    .values({ batch, position, registration_id, from_state: state, to_state: to, identity, reason, station, operator, at: now })
    .execute();
  return selectDevices(db).where('device.canonical_id', '=', canonical).executeTakeFirstOrThrow();
}

/** An identity is given up for good, and its batch has something left to burn. */
async function retire(db: Transaction<LedgerTables>, batch: string, identity: string | null): Promise<void> {
  if (identity !== null) await db.updateTable('ledger_identities').set({ status: 'retired' }).where('id', '=', identity).execute();
  await db
    .updateTable('ledger_batches')
    .set({ state: 'ready', completed_at: null })
    .where('batch', '=', batch)
    .where('state', '=', 'complete')
    .execute();
}

function unknown(registrationId: string, where: string): ManufacturingFault {
  return new ManufacturingFault('LEDGER_UNKNOWN', 'the ledger has no such device', {
    where,
    seen: registrationId,
    expected: 'a registration id of a planned batch',
  });
}

function noWay(registrationId: string, from: DeviceState, to: DeviceState): ManufacturingFault {
  return new ManufacturingFault('LEDGER_STATE', `a device that is ${from} cannot become ${to}`, {
    where: registrationId,
    seen: from,
    expected: `${WAYS[from].join(' or ')} after ${from}`,
  });
}
