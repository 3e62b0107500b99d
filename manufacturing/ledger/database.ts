import type { Clock } from '@zerotouch/foundation/clock';
import { type Dialect, Kysely, type Transaction } from 'kysely';
import { ManufacturingFault } from '../faults.js';
import { type DatabaseKind, type LedgerTables, migrate } from './schema.js';

/** What differs between the databases a ledger can be kept in. */
export interface LedgerDialect {
  readonly kind: DatabaseKind;
  /** How the ledger is called in errors; never a secret. */
  readonly where: string;
  readonly dialect: Dialect;
  /** Milliseconds since 1970 by the clock that all stations share. */
  now(db: Kysely<LedgerTables>, clock: Clock): Promise<number>;
  /** Whether a unique index refused. */
  isDuplicate(error: unknown): boolean;
  /** Whether the same again may work soon. */
  isTransient(error: unknown): boolean;
  /** What to tell people; `undefined` for what is no error of the database. */
  toFault(error: unknown): ManufacturingFault | undefined;
}

/** Called just before and just after each commit, with its name; what it throws before one undoes that. For tests that cut work off. */
export type CommitWatch = (moment: `before ${string}` | `after ${string}`) => void | Promise<void>;

/** Between the tries of a transaction, at first and at most. */
const RETRY_MS = { first: 10, most: 2_000 };

/** The database under a ledger: transactions that are tried again, and errors fit for people. */
export class LedgerDatabase {
  readonly kind: DatabaseKind;
  readonly where: string;
  readonly clock: Clock;
  readonly #db: Kysely<LedgerTables>;
  readonly #dialect: LedgerDialect;
  readonly #watch: CommitWatch;
  readonly #patienceMs: number;

  /** @param patienceMs how long a database that does not answer, or is locked, is tried again */
  constructor(dialect: LedgerDialect, clock: Clock, patienceMs: number, watch: CommitWatch = () => {}) {
    this.kind = dialect.kind;
    this.where = dialect.where;
    this.clock = clock;
    this.#dialect = dialect;
    this.#db = new Kysely({ dialect: dialect.dialect });
    this.#patienceMs = patienceMs;
    this.#watch = watch;
  }

  /** Makes or updates the tables. */
  async migrate(): Promise<void> {
    await this.write('schema', async (db) => migrate(db, this.kind, this.where, await this.#dialect.now(db, this.clock)));
  }

  /**
   * One transaction. It may run more than once, even after a commit whose answer was lost: work must find what it did before.
   * @throws ManufacturingFault LEDGER_*
   */
  write<T>(name: string, work: (db: Transaction<LedgerTables>, now: number) => Promise<T>): Promise<T> {
    return this.#patiently(async () => {
      const result = await this.#db.transaction().execute(async (transaction) => {
        const done = await work(transaction, await this.#dialect.now(transaction, this.clock));
        await this.#watch(`before ${name}`);
        return done;
      });
      await this.#watch(`after ${name}`);
      return result;
    });
  }

  /** Reads, tried again like {@link write}. */
  read<T>(work: (db: Kysely<LedgerTables>) => Promise<T>): Promise<T> {
    return this.#patiently(() => work(this.#db));
  }

  async close(): Promise<void> {
    await this.#db.destroy();
  }

  async #patiently<T>(work: () => Promise<T>): Promise<T> {
    const end = this.clock.monotonic() + this.#patienceMs;
    for (let wait = RETRY_MS.first; ; wait = Math.min(wait * 2, RETRY_MS.most)) {
      try {
        return await work();
      } catch (error) {
        if (this.#dialect.isDuplicate(error)) throw this.#duplicate(error);
        if (!this.#dialect.isTransient(error) || this.clock.monotonic() + wait > end) throw this.#dialect.toFault(error) ?? error;
      }
      await this.clock.wait(wait);
    }
  }

  #duplicate(cause: unknown): ManufacturingFault {
    const { detail, message } = cause as { detail?: string; message: string };
    return new ManufacturingFault('LEDGER_DUPLICATE', 'the ledger has this already', {
      where: this.where,
      seen: detail ?? message,
      expected: 'each registration id, serial, MAC, certificate serial and public key once',
      cause,
    });
  }
}
