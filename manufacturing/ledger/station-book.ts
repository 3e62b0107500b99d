import { sql, type Transaction } from 'kysely';
import { ManufacturingFault } from '../faults.js';
import type { LedgerDatabase } from './database.js';
import type { Author, BatchState, DeviceRecord, DeviceState, IdentityRecord } from './records.js';
import { deviceOf, selectDevices } from './rows.js';
import type { LedgerTables } from './schema.js';
import { deadSessions, LEASE_MS, type Processes, prolong, signOff, signOn } from './sessions.js';

/** How a {@link StationBook} is opened. */
export interface StationBookOptions {
  batch: string;
  /** Draws the id of the session: 32 hexadecimal digits. */
  session: string;
  author: Author;
  processes: Processes;
  /** {@link LEASE_MS} unless given. */
  leaseMs?: number;
}

/** An identity for one device, made and not yet burnt. */
export interface Issued {
  position: number;
  registrationId: string;
  identity: IdentityRecord;
}

/** A device that is done, or was given up, with the identity that is in its image. */
export interface Settled {
  position: number;
  registrationId: string;
  identity: string;
}

/**
 * The part of the ledger that a burning station writes. A device in hand belongs to this session until it is settled, given up, or the
 * session gives no sign of life for the time of its lease; each write counts only for devices still in hand.
 */
export class StationBook {
  readonly #database: LedgerDatabase;
  readonly #options: StationBookOptions;
  readonly #leaseMs: number;
  readonly #inHand = new Set<number>();
  /** What failed is tried again by the next run, not by this one. */
  readonly #givenUp = new Set<number>();
  #claiming: Promise<unknown> = Promise.resolve();
  #heldUntil = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(database: LedgerDatabase, options: StationBookOptions) {
    this.#database = database;
    this.#options = options;
    this.#leaseMs = options.leaseMs ?? LEASE_MS;
  }

  /** Signs on, and gives signs of life from then on. */
  async open(): Promise<void> {
    const { session, author, processes } = this.#options;
    await this.#holdAfter(async () => {
      await signOn(this.#database, session, author.station, processes.self, this.#leaseMs);
      return true;
    });
    const prolonging = (): Promise<void> => this.#holdAfter(() => prolong(this.#database, session, this.#leaseMs));
    this.#timer = setInterval(() => void prolonging().catch(() => {}), this.#leaseMs / 5);
    this.#timer.unref();
  }

  /** Gives everything back and signs off. A ledger that does not answer any more finds out by itself. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await signOff(this.#database, this.#options.session);
  }

  /** Whether others still take this session for alive: to be asked right before a step that cannot be undone. */
  get held(): boolean {
    return this.#database.clock.monotonic() < this.#heldUntil;
  }

  async #holdAfter(sign: () => Promise<boolean>): Promise<void> {
    const asked = this.#database.clock.monotonic();
    const inTime = await sign();
    this.#heldUntil = inTime ? asked + this.#leaseMs * 0.8 : 0;
  }

  /**
   * Takes the lock under which one station prepares the batch or writes its documents.
   * @returns the state of the batch, or `undefined` while another station has the lock
   */
  lock(): Promise<BatchState | undefined> {
    const { batch, session, processes } = this.#options;
    return this.#database.write('lock', async (db, now) => {
      const dead = await deadSessions(db, now, processes);
      const row = await db.selectFrom('ledger_batches').select(['state', 'locked_by']).where('batch', '=', batch).executeTakeFirst();
      if (row === undefined) throw unknownBatch(this.#database.where, batch);
      if (row.locked_by !== null && row.locked_by !== session && !dead.includes(row.locked_by)) return undefined;
      const { numUpdatedRows } = await db
        .updateTable('ledger_batches')
        .set({ locked_by: session })
        .where('batch', '=', batch)
        .where('locked_by', row.locked_by === null ? 'is' : '=', row.locked_by)
        .executeTakeFirst();
      return numUpdatedRows === 1n ? row.state : undefined;
    });
  }

  /** Gives the lock back, and says what the batch has come to. */
  async unlock(change: { state: 'ready'; sources: Record<string, string> } | { state: 'complete' } | undefined): Promise<void> {
    const { batch, session } = this.#options;
    await this.#database.write(change === undefined ? 'unlock' : `batch ${change.state}`, async (db, now) => {
      const set =
        change === undefined
          ? {}
          : change.state === 'ready'
            ? { state: change.state, sources: JSON.stringify(change.sources) }
            : { state: change.state, completed_at: now };
      await db
        .updateTable('ledger_batches')
        .set({ locked_by: null, ...set })
        .where('batch', '=', batch)
        .where('locked_by', '=', session)
        .execute();
    });
  }

  /** The next devices that nobody has in hand, in the order of the plan; those of stations that died are among them. */
  claim(count: number): Promise<DeviceRecord[]> {
    // One at a time: what a lost answer left claimed is taken again, and must not be mistaken for what another call has just got.
    const claimed = this.#claiming.then(() => this.#claim(count));
    this.#claiming = claimed.catch(() => {});
    return claimed;
  }

  async #claim(count: number): Promise<DeviceRecord[]> {
    const { batch, session, processes } = this.#options;
    const claimed = await this.#database.write('claim', async (db, now) => {
      const takeable = [session, ...(await deadSessions(db, now, processes))];
      let free = db
        .selectFrom('ledger_devices')
        .select('position')
        .where('batch', '=', batch)
        .where('state', 'in', ['planned', 'issued'])
        .where((where) => where.or([where('claimed_by', 'is', null), where('claimed_by', 'in', takeable)]))
        .orderBy('position')
        .limit(count);
      const passed = [...this.#inHand, ...this.#givenUp];
      if (passed.length > 0) free = free.where('position', 'not in', passed);
      if (this.#database.kind === 'postgres') free = free.forUpdate().skipLocked();
      const positions = (await free.execute()).map(({ position }) => position);
      if (positions.length === 0) return [];
      await db
        .updateTable('ledger_devices')
        .set({ claimed_by: session })
        .where('batch', '=', batch)
        .where('position', 'in', positions)
        .execute();
      return selectDevices(db)
        .where('device.batch', '=', batch)
        .where('device.position', 'in', positions)
        .orderBy('device.position')
        .execute();
    });
    for (const { position } of claimed) this.#inHand.add(position);
    return claimed.map(deviceOf);
  }

  /**
   * Records identities before anything of them is written. What an earlier try had issued becomes void, and is never used again.
   * @throws ManufacturingFault LEDGER_DUPLICATE, CLAIM_LOST
   */
  async issue(issued: readonly Issued[]): Promise<void> {
    if (issued.length === 0) return;
    const { batch } = this.#options;
    await this.#database.write('issue', async (db, now) => {
      const ids = issued.map(({ identity }) => identity.id);
      // A commit whose answer was lost.
      if ((await db.selectFrom('ledger_identities').select('id').where('id', 'in', ids).limit(1).execute()).length > 0) return;
      const before = await this.#owned(db, issued);
      await db
        .updateTable('ledger_identities')
        .set({ status: 'void' })
        .where('batch', '=', batch)
        .where(
          'position',
          'in',
          issued.map(({ position }) => position),
        )
        .where('status', '=', 'issued')
        .execute();
      await db
        .insertInto('ledger_identities')
        .values(
          issued.map(({ position, identity }) => ({
            id: identity.id,
            batch,
            position,
            status: 'issued' as const,
            certificate_serial: identity.certificateSerial ?? null,
            public_key: identity.publicKey ?? null,
            thumbprint: identity.thumbprint ?? null,
            not_after: identity.notAfter ?? null,
            certificate: identity.certificate ?? null,
            partitions: JSON.stringify(identity.partitions),
            issued_at: now,
          })),
        )
        .execute();
      await this.#move(db, issued, 'issued', now, (device) => device.identity.id);
      await this.#note(
        db,
        issued.map((device) => ({ ...device, from: before.get(device.position) ?? 'planned', to: 'issued', identity: device.identity.id })),
        now,
      );
    });
  }

  /**
   * Records images that have their names and were read back from the disk.
   * @throws ManufacturingFault CLAIM_LOST
   */
  async verified(settled: readonly Settled[]): Promise<void> {
    if (settled.length === 0) return;
    const { batch } = this.#options;
    await this.#database.write('verified', async (db, now) => {
      const done = await db
        .selectFrom('ledger_devices')
        .select('identity')
        .where('batch', '=', batch)
        .where(
          'position',
          'in',
          settled.map(({ position }) => position),
        )
        .where('state', '=', 'verified')
        .execute();
      // A commit whose answer was lost.
      if (done.length > 0 && done.every(({ identity }) => settled.some((device) => device.identity === identity))) return;
      await this.#owned(db, settled);
      await db
        .updateTable('ledger_identities')
        .set({ status: 'burnt' })
        .where(
          'id',
          'in',
          settled.map(({ identity }) => identity),
        )
        .execute();
      await this.#move(db, settled, 'verified', now, (device) => device.identity);
      const steps = settled.flatMap((device) => [
        { ...device, from: 'issued' as const, to: 'burnt' as const },
        { ...device, from: 'burnt' as const, to: 'verified' as const },
      ]);
      await this.#note(db, steps, now);
    });
    for (const { position } of settled) this.#inHand.delete(position);
  }

  /** Gives devices back unburnt: their identities are void, and another run may try them. */
  async giveUp(devices: readonly { position: number; registrationId: string; reason: string }[]): Promise<void> {
    if (devices.length === 0) return;
    const { batch, session } = this.#options;
    const positions = devices.map(({ position }) => position);
    await this.#database.write('give up', async (db, now) => {
      const rows = await db
        .selectFrom('ledger_devices')
        .select(['position', 'state', 'identity'])
        .where('batch', '=', batch)
        .where('position', 'in', positions)
        .where('claimed_by', '=', session)
        .execute();
      const held = new Map(rows.map((row) => [row.position, row]));
      const owned = devices.filter(({ position }) => held.has(position));
      if (owned.length === 0) return;
      await db
        .updateTable('ledger_identities')
        .set({ status: 'void' })
        .where('batch', '=', batch)
        .where(
          'position',
          'in',
          owned.map(({ position }) => position),
        )
        .where('status', '=', 'issued')
        .execute();
      await this.#move(db, owned, 'planned', now, () => null);
      await this.#note(
        db,
        owned.map((device) => ({
          ...device,
          from: held.get(device.position)?.state ?? 'planned',
          to: 'planned' as const,
          identity: held.get(device.position)?.identity ?? null,
        })),
        now,
      );
    });
    for (const position of positions) {
      this.#inHand.delete(position);
      this.#givenUp.add(position);
    }
  }

  /** Devices of the batch that are not burnt, and how many of them a living station has in hand. */
  unburnt(): Promise<{ left: number; elsewhere: number }> {
    const { batch, session, processes } = this.#options;
    return this.#database.write('look', async (db, now) => {
      const notElsewhere = [session, ...(await deadSessions(db, now, processes))];
      const rows = await db
        .selectFrom('ledger_devices')
        .select(['claimed_by', ({ fn }) => fn.countAll().as('count')])
        .where('batch', '=', batch)
        .where('state', 'in', ['planned', 'issued'])
        .groupBy('claimed_by')
        .execute();
      const sum = (of: typeof rows) => of.reduce((total, { count }) => total + Number(count), 0);
      return {
        left: sum(rows),
        elsewhere: sum(rows.filter(({ claimed_by }) => claimed_by !== null && !notElsewhere.includes(claimed_by))),
      };
    });
  }

  /** What state the devices are in, where all of them are in hand; a station that was taken for dead finds out here. */
  async #owned(
    db: Transaction<LedgerTables>,
    devices: readonly { position: number; registrationId: string }[],
  ): Promise<Map<number, DeviceState>> {
    const { batch, session } = this.#options;
    let query = db
      .selectFrom('ledger_devices')
      .select(['position', 'state'])
      .where('batch', '=', batch)
      .where(
        'position',
        'in',
        devices.map(({ position }) => position),
      )
      .where('claimed_by', '=', session);
    if (this.#database.kind === 'postgres') query = query.forUpdate();
    const rows = await query.execute();
    const states = new Map(rows.map(({ position, state }) => [position, state]));
    const lost = devices.find(({ position }) => !states.has(position));
    if (lost === undefined) return states;
    throw new ManufacturingFault('CLAIM_LOST', 'another station took this device over', {
      where: lost.registrationId,
      expected: 'a sign of life more often than the lease asks for',
      remedy: 'find out why this station stood still; what it had in hand is burnt elsewhere',
    });
  }

  async #move<Device extends { position: number }>(
    db: Transaction<LedgerTables>,
    devices: readonly Device[],
    state: DeviceState,
    now: number,
    identityOf: (device: Device) => string | null,
  ): Promise<void> {
    const { batch, author } = this.#options;
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
      .where(
        'position',
        'in',
        devices.map(({ position }) => position),
      )
      .execute();
  }

  async #note(
    db: Transaction<LedgerTables>,
    steps: readonly {
      position: number;
      registrationId: string;
      from: DeviceState;
      to: DeviceState;
      identity: string | null;
      reason?: string;
    }[],
    now: number,
  ): Promise<void> {
    const { batch, author } = this.#options;
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
}

function unknownBatch(where: string, batch: string): ManufacturingFault {
  return new ManufacturingFault('LEDGER_UNKNOWN', 'the ledger has no such batch', {
    where,
    seen: batch,
    expected: 'a batch that was planned',
  });
}
