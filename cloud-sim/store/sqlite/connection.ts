import type { Database } from 'libsql';
import { CloudFault } from '../../faults.js';

/** How a table reaches its database. */
export interface Access {
  readonly database: Database;
  /** Runs a step that only reads. What it saw is durable when the promise resolves. */
  read<R>(step: () => R): Promise<R>;
  /** Runs a step that writes. What it wrote is durable when the promise resolves. */
  write<R>(step: () => R): Promise<R>;
}

/**
 * The one connection to the database. Writes of one turn of the event loop share a transaction, and so one sync of the disk; each is
 * answered only after that.
 */
export class Connection implements Access {
  readonly database: Database;
  /** Of the transaction that is open. */
  #committed: Promise<void> | undefined;
  /** While one caller has the database to itself. */
  #alone: Promise<void> | undefined;
  #closed = false;

  constructor(database: Database) {
    this.database = database;
  }

  async read<R>(step: () => R): Promise<R> {
    while (this.#alone !== undefined) await this.#alone;
    this.#checkOpen();
    const result = step();
    // What is read may have been written in the transaction that is open.
    await this.#committed;
    return result;
  }

  async write<R>(step: () => R): Promise<R> {
    while (this.#alone !== undefined) await this.#alone;
    this.#checkOpen();
    const committed = this.#begin();
    const result = step();
    await committed;
    return result;
  }

  /** Runs a step that writes; nobody waits until it is durable. */
  async note(step: () => void): Promise<void> {
    while (this.#alone !== undefined) await this.#alone;
    this.#checkOpen();
    this.#begin().catch(() => {});
    step();
  }

  /** Gives the database to one caller: everything it writes is one transaction, undone when it throws. */
  async alone<R>(work: (access: Access) => Promise<R>): Promise<R> {
    while (this.#alone !== undefined) await this.#alone;
    this.#checkOpen();
    let release = (): void => {};
    this.#alone = new Promise((resolve) => {
      release = resolve;
    });
    try {
      await this.#committed?.catch(() => {});
      this.database.exec('BEGIN IMMEDIATE');
      try {
        const now = async <S>(step: () => S): Promise<S> => step();
        const result = await work({ database: this.database, read: now, write: now });
        this.database.exec('COMMIT');
        return result;
      } catch (error) {
        if (this.database.inTransaction) this.database.exec('ROLLBACK');
        throw error;
      }
    } finally {
      this.#alone = undefined;
      release();
    }
  }

  /** Resolves when everything that was written is durable and the database is closed. */
  async close(): Promise<void> {
    while (this.#alone !== undefined) await this.#alone;
    if (this.#closed) return;
    this.#closed = true;
    await this.#committed?.catch(() => {});
    try {
      // Statements that are not yet collected keep the file open after close(): the lock is given back by hand.
      this.database.exec('PRAGMA journal_mode = DELETE; PRAGMA locking_mode = NORMAL; SELECT COUNT(*) FROM sqlite_schema;');
    } catch {
      // Everything is durable already; whoever removed the folder under us needs no lock.
    }
    this.database.close();
  }

  #checkOpen(): void {
    if (this.#closed) throw new CloudFault('CLOSED', 'the cloud and its store are closed');
  }

  #begin(): Promise<void> {
    if (this.#committed !== undefined) return this.#committed;
    this.database.exec('BEGIN IMMEDIATE');
    this.#committed = new Promise((resolve, reject) => {
      setImmediate(() => {
        this.#committed = undefined;
        try {
          this.database.exec('COMMIT');
          resolve();
        } catch (cause) {
          if (this.database.inTransaction) this.database.exec('ROLLBACK');
          reject(new CloudFault('STORE_UNUSABLE', 'what happened could not be kept', { where: this.database.name, cause }));
        }
      });
    });
    // Whoever wrote gets the rejection; a step that threw left nobody to get it.
    this.#committed.catch(() => {});
    return this.#committed;
  }
}
