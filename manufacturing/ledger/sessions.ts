import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import type { Kysely } from 'kysely';
import type { LedgerDatabase } from './database.js';
import type { LedgerTables } from './schema.js';

/** How long a station that gives no sign of life keeps what it has in hand. */
export const LEASE_MS = 30_000;

/** A process, as others can tell whether it still runs. */
export interface ProcessPlace {
  /** The machine, and the part of it in which process ids mean something. */
  host: string;
  pid: number;
}

/** Who this process is, and whether another one of this machine is gone for sure. */
export interface Processes {
  self: ProcessPlace;
  gone(place: ProcessPlace): boolean;
}

const PLACE = systemPlace();

/** The processes of this machine. */
export const systemProcesses: Processes = {
  self: { host: PLACE, pid: process.pid },
  gone({ host, pid }) {
    if (host !== PLACE) return false;
    try {
      process.kill(pid, 0);
      return false;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'ESRCH';
    }
  },
};

// Containers may share a host name, and a process id comes back after a restart of the machine.
function systemPlace(): string {
  const part = (read: () => string): string => {
    try {
      return read().trim();
    } catch {
      return '';
    }
  };
  const boot = part(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8'));
  const namespace = part(() => readlinkSync('/proc/self/ns/pid'));
  return [hostname(), boot, namespace].join(' ');
}

/** Says that a station is at work, and until when it may be believed. */
export async function signOn(
  database: LedgerDatabase,
  id: string,
  station: string,
  { host, pid }: ProcessPlace,
  leaseMs: number,
): Promise<void> {
  await database.write('sign-on', async (db, now) => {
    await db
      .insertInto('ledger_sessions')
      .values({ id, station, host, pid, alive_until: now + leaseMs })
      // A commit whose answer was lost.
      .onConflict((conflict) => conflict.column('id').doNothing())
      .execute();
  });
}

/**
 * A sign of life: prolongs a lease that has not ended.
 * @returns whether it was in time; a session that was late once is dead for good, for others may have what it had in hand
 */
export async function prolong(database: LedgerDatabase, id: string, leaseMs: number): Promise<boolean> {
  return database.write('sign of life', async (db, now) => {
    const { numUpdatedRows } = await db
      .updateTable('ledger_sessions')
      .set({ alive_until: now + leaseMs })
      .where('id', '=', id)
      .where('alive_until', '>', now)
      .executeTakeFirst();
    return numUpdatedRows === 1n;
  });
}

/** Gives back all that a session has in hand, and ends it. */
export async function signOff(database: LedgerDatabase, id: string): Promise<void> {
  await database.write('sign-off', async (db) => {
    await db.updateTable('ledger_devices').set({ claimed_by: null }).where('claimed_by', '=', id).execute();
    await db.updateTable('ledger_batches').set({ locked_by: null }).where('locked_by', '=', id).execute();
    await db.deleteFrom('ledger_sessions').where('id', '=', id).execute();
  });
}

/**
 * Sessions whose claims do not count any more. Whoever is not among them counts as alive: a session may have signed on since.
 */
export async function deadSessions(db: Kysely<LedgerTables>, now: number, { gone }: Processes): Promise<string[]> {
  const sessions = await db.selectFrom('ledger_sessions').selectAll().execute();
  return sessions.filter((session) => session.alive_until <= now || gone(session)).map(({ id }) => id);
}
