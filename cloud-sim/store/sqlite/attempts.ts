import type { Statement } from 'libsql';
import type { Attempt } from '../../reasons.js';
import { ATTEMPTS_PER_DEVICE, DEVICES_WITH_ATTEMPTS } from '../bounds.js';
import type { AttemptLog } from '../store.js';
import type { Connection } from './connection.js';

/** SQL that makes the table of attempts: one sequence over all devices, found by device. */
export const ATTEMPTS_SQL = `CREATE TABLE IF NOT EXISTS attempts (seq INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, value TEXT NOT NULL);
  CREATE INDEX IF NOT EXISTS attempts_by_key ON attempts (key, seq);`;

/** The latest attempts of each device in a database. They are a log: nobody waits until one is durable. */
export class SqliteAttempts implements AttemptLog {
  readonly #connection: Connection;
  readonly #append: Statement<unknown[]>;
  readonly #trim: Statement<unknown[]>;
  readonly #expire: Statement<unknown[]>;
  readonly #list: Statement<unknown[]>;

  constructor(connection: Connection) {
    this.#connection = connection;
    const { database } = connection;
    this.#append = database.prepare<unknown[]>('INSERT INTO attempts (key, value) VALUES (?, ?)');
    this.#trim = database.prepare<unknown[]>(
      'DELETE FROM attempts WHERE key = ? AND seq <= (SELECT seq FROM attempts WHERE key = ? ORDER BY seq DESC LIMIT 1 OFFSET ?)',
    );
    this.#expire = database.prepare<unknown[]>('DELETE FROM attempts WHERE seq <= ?');
    this.#list = database.prepare<unknown[]>('SELECT value FROM attempts WHERE key = ? ORDER BY seq');
  }

  append(key: string, attempt: Attempt): Promise<void> {
    return this.#connection.note(() => {
      const { lastInsertRowid } = this.#append.run(key, JSON.stringify(attempt));
      this.#trim.run(key, key, ATTEMPTS_PER_DEVICE);
      // Strangers can make up ids without end: the oldest of all attempts go as well.
      this.#expire.run(Number(lastInsertRowid) - ATTEMPTS_PER_DEVICE * DEVICES_WITH_ATTEMPTS);
    });
  }

  list(key: string): Promise<Attempt[]> {
    return this.#connection.read(() => (this.#list.all(key) as { value: string }[]).map(({ value }) => JSON.parse(value) as Attempt));
  }
}
