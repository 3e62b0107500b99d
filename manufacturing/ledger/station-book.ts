import type { Transaction } from 'kysely';
import { ManufacturingFault } from '../faults.js';
import { type Claimant, claimDevices, countUnburnt } from './claims.js';
import type { LedgerDatabase } from './database.js';
import type { Author, BatchState, DeviceRecord } from './records.js';
import { deviceOf } from './rows.js';
import type { LedgerTables } from './schema.js';
import { deadSessions, LEASE_MS, type Processes, prolong, signOff, signOn } from './sessions.js';
import { type GivenUp, type Issued, recordGivenUp, recordIssued, recordVerified, type Settled, type StepBy } from './steps.js';

export type { GivenUp, Issued, Settled } from './steps.js';

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
    const passed = [...this.#inHand, ...this.#givenUp];
    const claimed = await this.#database.write('claim', async (db, now) => {
      const dead = await deadSessions(db, now, this.#options.processes);
      return claimDevices(db, this.#claimant, { count, dead, passed });
    });
    for (const { position } of claimed) this.#inHand.add(position);
    return claimed.map(deviceOf);
  }

  /**
   * Records identities before anything of them is written. What an earlier try had issued becomes void, and is never used again.
   * @throws ManufacturingFault LEDGER_DUPLICATE, CLAIM_LOST
   */
  async issue(issued: readonly Issued[]): Promise<void> {
    await this.#step('issue', issued, recordIssued);
  }

  /**
   * Records images that have their names and were read back from the disk.
   * @throws ManufacturingFault CLAIM_LOST
   */
  async verified(settled: readonly Settled[]): Promise<void> {
    await this.#step('verified', settled, recordVerified);
    for (const { position } of settled) this.#inHand.delete(position);
  }

  /** Gives devices back unburnt: their identities are void, and another run may try them. */
  async giveUp(devices: readonly GivenUp[]): Promise<void> {
    await this.#step('give up', devices, recordGivenUp);
    for (const { position } of devices) {
      this.#inHand.delete(position);
      this.#givenUp.add(position);
    }
  }

  async #step<Device>(
    name: string,
    devices: readonly Device[],
    record: (db: Transaction<LedgerTables>, by: StepBy, devices: readonly Device[]) => Promise<void>,
  ): Promise<void> {
    if (devices.length === 0) return;
    const { author } = this.#options;
    await this.#database.write(name, (db, now) => record(db, { ...this.#claimant, author, now, where: this.#database.where }, devices));
  }

  /** Devices of the batch that are not burnt, and how many of them a living station has in hand. */
  unburnt(): Promise<{ left: number; elsewhere: number }> {
    return this.#database.write('look', async (db, now) =>
      countUnburnt(db, this.#claimant, await deadSessions(db, now, this.#options.processes)),
    );
  }

  get #claimant(): Claimant {
    const { batch, session } = this.#options;
    return { batch, session, kind: this.#database.kind };
  }
}

function unknownBatch(where: string, batch: string): ManufacturingFault {
  return new ManufacturingFault('LEDGER_UNKNOWN', 'the ledger has no such batch', {
    where,
    seen: batch,
    expected: 'a batch that was planned',
  });
}
