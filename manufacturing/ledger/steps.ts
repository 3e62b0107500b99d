import { sql, type Transaction } from 'kysely';
import { ManufacturingFault } from '../faults.js';
import { type Claimant, type Claimed, inHand, positionsOf, statesInHand } from './claims.js';
import type { Author, DeviceState, IdentityRecord } from './records.js';
import type { LedgerTables } from './schema.js';

/** An identity for one device, made and not yet burnt. */
export interface Issued extends Claimed {
  readonly identity: IdentityRecord;
}

/** A device that is done, with the identity that is in its image. */
export interface Settled extends Claimed {
  readonly identity: string;
}

/** A device that could not be burnt, and why. */
export interface GivenUp extends Claimed {
  readonly reason: string;
}

/** Who takes a step, and when. */
export interface StepBy extends Claimant {
  readonly author: Author;
  /** How the ledger is called in errors. */
  readonly where: string;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/**
 * Records identities before anything of them is written; what an earlier try had issued becomes void, and is never used again. A commit whose
 * answer was lost is found out.
 * @throws ManufacturingFault CLAIM_LOST; LEDGER_DUPLICATE where another device has, or ever had, one of the keys
 */
export async function recordIssued(db: Transaction<LedgerTables>, by: StepBy, issued: readonly Issued[]): Promise<void> {
  const ids = issued.map(({ identity }) => identity.id);
  if ((await db.selectFrom('ledger_identities').select('id').where('id', 'in', ids).limit(1).execute()).length > 0) return;
  const before = await statesInHand(db, by, issued);
  await refuseForeignKeys(db, by, issued);
  await voidIssued(db, by, issued);
  await db
    .insertInto('ledger_identities')
    .values(
      issued.map(({ position, identity }) => ({
        id: identity.id,
        batch: by.batch,
        position,
        status: 'issued' as const,
        certificate_serial: identity.certificateSerial ?? null,
        public_key: identity.publicKey ?? null,
        thumbprint: identity.thumbprint ?? null,
        not_after: identity.notAfter ?? null,
        certificate: identity.certificate ?? null,
        partitions: JSON.stringify(identity.partitions),
        issued_at: by.now,
      })),
    )
    .execute();
  await move(db, by, issued, 'issued', ({ identity }) => identity.id);
  await note(
    db,
    by,
    issued.map((device) => ({ ...device, from: before.get(device.position) ?? 'planned', to: 'issued', identity: device.identity.id })),
  );
}

/**
 * Records images that have their names and were read back from the disk.
 * @throws ManufacturingFault CLAIM_LOST
 */
export async function recordVerified(db: Transaction<LedgerTables>, by: StepBy, settled: readonly Settled[]): Promise<void> {
  const identities = settled.map(({ identity }) => identity);
  const done = await db
    .selectFrom('ledger_devices')
    .select('identity')
    .where('batch', '=', by.batch)
    .where('position', 'in', positionsOf(settled))
    .where('state', '=', 'verified')
    .execute();
  // A commit whose answer was lost.
  if (done.length > 0 && done.every(({ identity }) => identity !== null && identities.includes(identity))) return;
  await statesInHand(db, by, settled);
  await db.updateTable('ledger_identities').set({ status: 'burnt' }).where('id', 'in', identities).execute();
  await move(db, by, settled, 'verified', ({ identity }) => identity);
  const steps = settled.flatMap((device): Step[] => [
    { ...device, from: 'issued', to: 'burnt' },
    { ...device, from: 'burnt', to: 'verified' },
  ]);
  await note(db, by, steps);
}

/** Gives devices back unburnt, as far as they are still in hand: their identities are void. */
export async function recordGivenUp(db: Transaction<LedgerTables>, by: StepBy, devices: readonly GivenUp[]): Promise<void> {
  const held = new Map((await inHand(db, by, devices)).map((row) => [row.position, row]));
  const owned = devices.filter(({ position }) => held.has(position));
  if (owned.length === 0) return;
  await voidIssued(db, by, owned);
  await move(db, by, owned, 'planned', () => null);
  const steps = owned.map((device): Step => {
    const { state: from = 'planned', identity = null } = held.get(device.position) ?? {};
    return { ...device, from, to: 'planned', identity };
  });
  await note(db, by, steps);
}

// A key that was made outside may be certified again for its own device, and never for another one.
async function refuseForeignKeys(db: Transaction<LedgerTables>, { batch, where }: StepBy, issued: readonly Issued[]): Promise<void> {
  const owners = new Map(
    issued.flatMap(({ position, identity: { publicKey } }) => (publicKey === undefined ? [] : [[publicKey, position]])),
  );
  if (owners.size === 0) return;
  const known = await db
    .selectFrom('ledger_identities as identity')
    .innerJoin('ledger_devices as device', (on) =>
      on.onRef('device.batch', '=', 'identity.batch').onRef('device.position', '=', 'identity.position'),
    )
    .select(['identity.public_key', 'identity.batch', 'identity.position', 'device.registration_id'])
    .where('identity.public_key', 'in', [...owners.keys()])
    .execute();
  const foreign = known.find((row) => row.batch !== batch || row.position !== owners.get(row.public_key ?? ''));
  if (foreign === undefined) return;
  throw new ManufacturingFault('LEDGER_DUPLICATE', 'the ledger has this key for another device already', {
    where,
    seen: `${foreign.registration_id} in batch ${foreign.batch}`,
    expected: 'each key for one device only, also after that was scrapped or got another',
  });
}

async function voidIssued(db: Transaction<LedgerTables>, { batch }: StepBy, devices: readonly Claimed[]): Promise<void> {
  await db
    .updateTable('ledger_identities')
    .set({ status: 'void' })
    .where('batch', '=', batch)
    .where('position', 'in', positionsOf(devices))
    .where('status', '=', 'issued')
    .execute();
}

async function move<Device extends Claimed>(
  db: Transaction<LedgerTables>,
  { batch, author, now }: StepBy,
  devices: readonly Device[],
  state: DeviceState,
  identityOf: (device: Device) => string | null,
): Promise<void> {
  // One statement for all: a device more costs next to nothing.
  const identities = devices.map((device) => sql`when ${device.position} then ${identityOf(device)}`);
  await db
    .updateTable('ledger_devices')
    .set({
      state,
      identity: sql<string | null>`case position ${sql.join(identities, sql` `)} end`,
      station: author.station,
      operator: author.operator ?? null,
      changed_at: now,
      ...(state === 'issued' ? {} : { claimed_by: null }),
    })
    .where('batch', '=', batch)
    .where('position', 'in', positionsOf(devices))
    .execute();
}

interface Step extends Claimed {
  from: DeviceState;
  to: DeviceState;
  identity: string | null;
  reason?: string;
}

async function note(db: Transaction<LedgerTables>, { batch, author, now }: StepBy, steps: readonly Step[]): Promise<void> {
  await db
    .insertInto('ledger_history')
    .values(
      steps.map(({ position, registrationId, from, to, identity, reason }) => ({
        batch,
        position,
        registration_id: registrationId,
        from_state: from,
        to_state: to,
        identity,
        reason: reason ?? null,
        station: author.station,
        operator: author.operator ?? null,
        at: now,
      })),
    )
    .execute();
}
