import type { Transaction } from 'kysely';
import { ManufacturingFault } from '../faults.js';
import type { DeviceState } from './records.js';
import { type DeviceRow, selectDevices } from './rows.js';
import type { DatabaseKind, LedgerTables } from './schema.js';

/** Whose claims they are: one session at one batch. */
export interface Claimant {
  readonly batch: string;
  readonly session: string;
  readonly kind: DatabaseKind;
}

/** A device, as far as a claim needs to know it. */
export interface Claimed {
  readonly position: number;
  readonly registrationId: string;
}

/** Positions of devices, for a condition. */
export function positionsOf(devices: readonly { position: number }[]): number[] {
  return devices.map(({ position }) => position);
}

/**
 * Takes devices that nobody has in hand, in the order of the plan.
 * @param dead sessions whose claims do not count any more
 * @param passed positions that this session leaves alone
 */
export async function claimDevices(
  db: Transaction<LedgerTables>,
  { batch, session, kind }: Claimant,
  { count, dead, passed }: { count: number; dead: readonly string[]; passed: readonly number[] },
): Promise<DeviceRow[]> {
  const free = async (state: DeviceState): Promise<number[]> => {
    // A state at a time: an index then gives the next ones, however many are burnt already.
    let query = db
      .selectFrom('ledger_devices')
      .select('position')
      .where('batch', '=', batch)
      .where('state', '=', state)
      .where((where) => where.or([where('claimed_by', 'is', null), where('claimed_by', 'in', [session, ...dead])]))
      .orderBy('position')
      .limit(count);
    if (passed.length > 0) query = query.where('position', 'not in', passed);
    if (kind === 'postgres') query = query.forUpdate().skipLocked();
    return positionsOf(await query.execute());
  };
  const positions = [...(await free('issued')), ...(await free('planned'))].sort((a, b) => a - b).slice(0, count);
  if (positions.length === 0) return [];
  await db
    .updateTable('ledger_devices')
    .set({ claimed_by: session })
    .where('batch', '=', batch)
    .where('position', 'in', positions)
    .execute();
  return selectDevices(db).where('device.batch', '=', batch).where('device.position', 'in', positions).orderBy('device.position').execute();
}

/**
 * What state devices are in, all of which a session believes to have in hand; a station that was taken for dead finds out here.
 * @throws ManufacturingFault CLAIM_LOST
 */
export async function statesInHand(
  db: Transaction<LedgerTables>,
  claimant: Claimant,
  devices: readonly Claimed[],
): Promise<Map<number, DeviceState>> {
  const states = new Map((await inHand(db, claimant, devices)).map(({ position, state }) => [position, state]));
  const lost = devices.find(({ position }) => !states.has(position));
  if (lost === undefined) return states;
  throw new ManufacturingFault('CLAIM_LOST', 'another station took this device over', {
    where: lost.registrationId,
    expected: 'a sign of life more often than the lease asks for',
    remedy: 'find out why this station stood still; what it had in hand is burnt elsewhere',
  });
}

/** Those of the devices that are still in hand, with state and identity. */
export async function inHand(
  db: Transaction<LedgerTables>,
  { batch, session, kind }: Claimant,
  devices: readonly Claimed[],
): Promise<{ position: number; state: DeviceState; identity: string | null }[]> {
  const query = db
    .selectFrom('ledger_devices')
    .select(['position', 'state', 'identity'])
    .where('batch', '=', batch)
    .where('position', 'in', positionsOf(devices))
    .where('claimed_by', '=', session);
  return (kind === 'postgres' ? query.forUpdate() : query).execute();
}

/** Devices of a batch that are not burnt, and how many of them a living session other than this one has in hand. */
export async function countUnburnt(
  db: Transaction<LedgerTables>,
  { batch, session }: Claimant,
  dead: readonly string[],
): Promise<{ left: number; elsewhere: number }> {
  const rows = await db
    .selectFrom('ledger_devices')
    .select(['claimed_by', ({ fn }) => fn.countAll().as('count')])
    .where('batch', '=', batch)
    .where('state', 'in', ['planned', 'issued'])
    .groupBy('claimed_by')
    .execute();
  const sum = (of: typeof rows) => of.reduce((total, { count }) => total + Number(count), 0);
  const others = rows.filter(({ claimed_by }) => claimed_by !== null && claimed_by !== session && !dead.includes(claimed_by));
  return { left: sum(rows), elsewhere: sum(others) };
}
