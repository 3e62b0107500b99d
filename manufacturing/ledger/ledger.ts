import { isAbsolute, resolve } from 'node:path';
import { canonicalRegistrationId } from '@zerotouch/azure-wire/ids';
import { type Clock, systemClock } from '@zerotouch/foundation/clock';
import type { Kysely } from 'kysely';
import { ManufacturingFault } from '../faults.js';
import { type Files, systemFiles } from '../files.js';
import { type CommitWatch, LedgerDatabase, type LedgerDialect } from './database.js';
import type { Author, BatchRecord, DeviceRecord, DeviceState, EventRecord, HistoryRecord, PlannedRow } from './records.js';
import { batchOf, canonicalMac, deviceOf, eventOf, historyOf, identityRecordOf, plannedValues, selectDevices } from './rows.js';
import type { LedgerTables } from './schema.js';
import { StationBook, type StationBookOptions } from './station-book.js';
import { recordTransition } from './transition.js';

export type {
  Author,
  BatchRecord,
  BatchState,
  DeviceRecord,
  DeviceState,
  EventKind,
  EventRecord,
  HistoryRecord,
  IdentityRecord,
  IdentityStatus,
  PlannedRow,
} from './records.js';

/** Name of the ledger in the folder of a batch, where no other is given. */
export const LEDGER_FILE = 'ledger.db';

/** How long a ledger that is locked or does not answer is tried again. */
const PATIENCE_MS = 60_000;
/** Devices written, or read, at a time. */
const PAGE = 500;

/** How a ledger is opened; all of it may be left out. */
export interface LedgerOptions {
  clock?: Clock;
  /** Makes the file of an SQLite ledger. */
  files?: Files;
  /** How long a database that is locked or does not answer is tried again, in milliseconds; a minute unless given. */
  patienceMs?: number;
  /** Sees every commit. */
  watch?: CommitWatch;
}

/**
 * Opens a ledger: `sqlite:PATH` (made where it is missing, 0600) or `postgres://...`. Its tables are brought to this version.
 * @param address may hold a password; it is in no error
 * @throws ManufacturingFault LEDGER_NEWER, LEDGER_UNREACHABLE, LEDGER_UNUSABLE
 */
export async function openLedger(address: string, options: LedgerOptions = {}): Promise<Ledger> {
  const { clock = systemClock, files = systemFiles, patienceMs = PATIENCE_MS, watch } = options;
  const database = new LedgerDatabase(await dialectOf(address, files), clock, patienceMs, watch);
  try {
    await database.migrate();
  } catch (error) {
    await database.close().catch(() => {});
    throw error;
  }
  return new Ledger(database, address);
}

// Each database is loaded where it is used: a station with SQLite needs no client of PostgreSQL.
async function dialectOf(address: string, files: Files): Promise<LedgerDialect> {
  if (/^postgres(ql)?:\/\//.test(address)) return (await import('./postgres.js')).postgresDialect(address);
  const path = /^sqlite:(?:\/\/)?(.+)$/.exec(address)?.[1];
  if (path !== undefined) return (await import('./sqlite.js')).sqliteDialect(isAbsolute(path) ? path : resolve(path), files);
  throw new ManufacturingFault('LEDGER_UNUSABLE', 'no database of this kind is known', {
    where: 'the address of the ledger',
    expected: 'sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE',
  });
}

/** The durable record of every device, of all batches and stations that share it. No private and no symmetric key is in it. */
export class Ledger {
  /** What {@link openLedger} opens this ledger with once more, in another thread. Secret. */
  readonly address: string;
  readonly #database: LedgerDatabase;

  constructor(database: LedgerDatabase, address: string) {
    this.#database = database;
    this.address = address;
  }

  /** How the ledger is called; never a secret. */
  get where(): string {
    return this.#database.where;
  }

  /**
   * Records a batch with all of its devices, or none of it.
   * @param session who plans
   * @returns `known` where the batch is there already
   * @throws ManufacturingFault LEDGER_DUPLICATE with the names that another batch has
   */
  async plan(
    { batch, specDigest, spec, devices }: Pick<BatchRecord, 'batch' | 'specDigest' | 'spec' | 'devices'>,
    rows: () => Iterable<PlannedRow>,
    session: string,
  ): Promise<'planned' | 'known'> {
    return this.#database.write('plan', async (db, now) => {
      const { numInsertedOrUpdatedRows } = await db
        .insertInto('ledger_batches')
        .values({ batch, state: 'preparing', devices, spec_digest: specDigest, spec, created_by: session, created_at: now })
        // A station that plans the same at the same moment is waited for here.
        .onConflict((conflict) => conflict.column('batch').doNothing())
        .executeTakeFirst();
      if (numInsertedOrUpdatedRows !== 1n) {
        const { created_by } = await db
          .selectFrom('ledger_batches')
          .select('created_by')
          .where('batch', '=', batch)
          .executeTakeFirstOrThrow();
        return created_by === session ? 'planned' : 'known';
      }
      for (const page of pagesOf(rows())) {
        await this.#refuseKnown(db, page);
        await db
          .insertInto('ledger_devices')
          .values(page.map((row) => plannedValues(batch, row, now)))
          .execute();
      }
      return 'planned';
    });
  }

  /** A batch, or `undefined`. */
  async batch(batch: string): Promise<BatchRecord | undefined> {
    const row = await this.#database.read((db) =>
      db.selectFrom('ledger_batches').selectAll().where('batch', '=', batch).executeTakeFirst(),
    );
    return row === undefined ? undefined : batchOf(row);
  }

  /** All batches, the oldest first. */
  async batches(): Promise<BatchRecord[]> {
    const rows = await this.#database.read((db) =>
      db.selectFrom('ledger_batches').selectAll().orderBy('created_at').orderBy('batch').execute(),
    );
    return rows.map(batchOf);
  }

  /** A device by its registration id, in any case; `undefined` where there is none. */
  async device(registrationId: string): Promise<DeviceRecord | undefined> {
    const canonical = canonicalRegistrationId(registrationId);
    const row = await this.#database.read((db) => selectDevices(db).where('device.canonical_id', '=', canonical).executeTakeFirst());
    return row === undefined ? undefined : deviceOf(row);
  }

  /** The devices of a batch in the order of its plan, a page at a time. */
  async *devices(batch: string, { states }: { states?: readonly DeviceState[] } = {}): AsyncGenerator<DeviceRecord> {
    for (let after = -1; ; ) {
      const rows = await this.#database.read((db) => {
        const page = selectDevices(db).where('device.batch', '=', batch).where('device.position', '>', after);
        const chosen = states === undefined ? page : page.where('device.state', 'in', [...states]);
        return chosen.orderBy('device.position').limit(PAGE).execute();
      });
      yield* rows.map(deviceOf);
      const last = rows.at(-1);
      if (last === undefined || rows.length < PAGE) return;
      after = last.position;
    }
  }

  /** How many devices of a batch are in each state. */
  async counts(batch: string): Promise<Partial<Record<DeviceState, number>>> {
    const rows = await this.#database.read((db) =>
      db
        .selectFrom('ledger_devices')
        .select(['state', ({ fn }) => fn.countAll().as('count')])
        .where('batch', '=', batch)
        .groupBy('state')
        .execute(),
    );
    return Object.fromEntries(rows.map(({ state, count }) => [state, Number(count)]));
  }

  /** What happened to a device, the oldest first; its planning is its batch's `createdAt`. */
  async history(registrationId: string): Promise<HistoryRecord[]> {
    const device = await this.device(registrationId);
    if (device === undefined) return [];
    const rows = await this.#database.read((db) =>
      db
        .selectFrom('ledger_history')
        .selectAll()
        .where('batch', '=', device.batch)
        .where('position', '=', device.position)
        .orderBy('id')
        .execute(),
    );
    return rows.map(historyOf);
  }

  /** Every identity that was ever made for a device, with what became of it, the oldest first. */
  async identities(registrationId: string): Promise<NonNullable<DeviceRecord['identity']>[]> {
    const device = await this.device(registrationId);
    if (device === undefined) return [];
    const rows = await this.#database.read((db) =>
      db
        .selectFrom('ledger_identities')
        .selectAll()
        .where('batch', '=', device.batch)
        .where('position', '=', device.position)
        .orderBy('issued_at')
        .orderBy('id')
        .execute(),
    );
    return rows.map(identityRecordOf);
  }

  /**
   * Moves a device on, for a reason that is kept: shipped, returned, scrapped; `planned` retires its identity, and the next burn gives it
   * another.
   * @throws ManufacturingFault LEDGER_UNKNOWN; LEDGER_STATE where there is no such way, or a station has the device in hand
   */
  async transition(registrationId: string, to: DeviceState, reason: string, author: Author): Promise<DeviceRecord> {
    const row = await this.#database.write(`to ${to}`, (db, now) =>
      recordTransition(db, { registrationId, to, reason, author, now, where: this.where }),
    );
    return deviceOf(row);
  }

  /** Records what happened to a batch, or to one of its enrolment groups (`subject`). */
  async record(event: Omit<EventRecord, 'at' | 'station' | 'operator'>, { station, operator }: Author): Promise<void> {
    await this.#database.write(event.kind, async (db, at) => {
      await db
        .insertInto('ledger_events')
        .values({ ...event, detail: JSON.stringify(event.detail), station, operator: operator ?? null, at })
        .execute();
    });
  }

  /**
   * Records that a batch has other sources from now on, with the event that says why: it has something to burn, and documents to write again.
   * @param sources fingerprints, as a burn compares them
   */
  async replaceSources(
    batch: string,
    sources: Record<string, string>,
    event: Omit<EventRecord, 'at' | 'station' | 'operator'>,
    { station, operator }: Author,
  ): Promise<void> {
    await this.#database.write(event.kind, async (db, at) => {
      await db
        .updateTable('ledger_batches')
        .set({ sources: JSON.stringify(sources), state: 'ready', completed_at: null })
        .where('batch', '=', batch)
        .execute();
      await db
        .insertInto('ledger_events')
        .values({ ...event, detail: JSON.stringify(event.detail), station, operator: operator ?? null, at })
        .execute();
    });
  }

  /** What happened to a batch as a whole, the oldest first. */
  async events(batch: string): Promise<EventRecord[]> {
    const rows = await this.#database.read((db) =>
      db.selectFrom('ledger_events').selectAll().where('batch', '=', batch).orderBy('id').execute(),
    );
    return rows.map(eventOf);
  }

  /** The book that one burning station of a batch keeps. */
  station(options: StationBookOptions): StationBook {
    return new StationBook(this.#database, options);
  }

  close(): Promise<void> {
    return this.#database.close();
  }

  // The unique indexes would refuse as well; here the names are told.
  async #refuseKnown(db: Kysely<LedgerTables>, page: readonly PlannedRow[]): Promise<void> {
    const macs = page.flatMap(({ mac }) => (mac === undefined ? [] : [canonicalMac(mac)]));
    const known = await db
      .selectFrom('ledger_devices')
      .select(['batch', 'registration_id', 'serial'])
      .where((where) =>
        where.or([
          where(
            'canonical_id',
            'in',
            page.map(({ registrationId }) => canonicalRegistrationId(registrationId)),
          ),
          where(
            'canonical_serial',
            'in',
            page.map(({ serial }) => canonicalRegistrationId(serial)),
          ),
          ...(macs.length === 0 ? [] : [where('mac', 'in', macs)]),
        ]),
      )
      .orderBy('position')
      .limit(1)
      .executeTakeFirst();
    if (known === undefined) return;
    throw new ManufacturingFault('LEDGER_DUPLICATE', 'the ledger has a device of this name already', {
      where: this.where,
      seen: `${known.registration_id}, serial ${known.serial}, in batch ${known.batch}`,
      expected: 'each registration id, serial and MAC once, across all batches, without regard to case',
      remedy: 'set another serial.start or serial.prefix, or name the devices differently',
    });
  }
}

function* pagesOf<T>(items: Iterable<T>): Generator<T[]> {
  let page: T[] = [];
  for (const item of items) {
    page.push(item);
    if (page.length < PAGE) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}
