import type { Queue, Worker } from 'bullmq';
import { FleetFault } from '../faults.js';

/** Where the shards of fleets wait for workers: BullMQ's queues, on Redis or PostgreSQL. */
export interface QueuePlace {
  /** Host and database, without what is secret in the URL. */
  readonly where: string;
  queue<Data>(name: string): Queue<Data>;
  /** Takes jobs by hand, one at a time; finds those whose taker has not been heard of for `leaseMs`. */
  taker<Data>(name: string, leaseMs: number): Promise<Worker<Data>>;
  close(): Promise<void>;
}

/** How long a first connection may take, milliseconds. */
const CONNECT_MS = 5_000;
/** The schema that keeps BullMQ's tables apart from a factory's own. */
const SCHEMA = 'zerotouch_fleet';

/**
 * Opens the queues at a URL: `redis://`, `rediss://` (TLS), `postgres://`. Loads nothing of either before it is asked to.
 * @throws FleetFault QUEUE_ADDRESS, QUEUE_UNREACHABLE, QUEUE_UNUSABLE; the URL, which may hold a password, is in none of them
 */
export async function openQueuePlace(url: string): Promise<QueuePlace> {
  const { protocol, host, pathname } = parse(url);
  if (/^rediss?:$/.test(protocol)) return onRedis(url, `Redis at ${host}${pathname}`);
  if (/^postgres(ql)?:$/.test(protocol)) return onPostgres(url, `PostgreSQL at ${host}${pathname}`);
  throw badAddress();
}

function parse(url: string): URL {
  try {
    return new URL(url);
  } catch {
    throw badAddress();
  }
}

function badAddress(): FleetFault {
  return new FleetFault('QUEUE_ADDRESS', 'the address of the queue cannot be read', {
    where: '--queue',
    expected: 'redis://HOST:6379, rediss://USER:PASSWORD@HOST, or postgres://USER:PASSWORD@HOST/DATABASE',
  });
}

async function onRedis(url: string, where: string): Promise<QueuePlace> {
  const [{ Queue, Worker }, { Redis }] = await Promise.all([import('bullmq'), import('ioredis')]);
  let met = false;
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: CONNECT_MS,
    maxRetriesPerRequest: null,
    // One that never answered is no queue; one that did comes back.
    retryStrategy: (times) => (met ? Math.min(times * 200, 2_000) : null),
  });
  let said: unknown;
  redis.on('error', (error) => {
    said = error;
  });
  try {
    await redis.connect();
    await redis.ping();
  } catch (error) {
    redis.disconnect();
    throw faultOf(said ?? error, where);
  }
  met = true;
  return placeOf(where, {
    queue: (name) => new Queue(name, { connection: redis }),
    worker: (name, options) => new Worker(name, null, { connection: redis, ...options }),
    close: () => redis.disconnect(),
  });
}

async function onPostgres(url: string, where: string): Promise<QueuePlace> {
  const [{ createPostgresBackend, Queue, Worker }, { default: pg }] = await Promise.all([import('bullmq'), import('pg')]);
  const probe = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_MS });
  probe.on('error', () => undefined);
  try {
    await probe.connect();
    await probe.query('select 1');
  } catch (error) {
    throw faultOf(error, where);
  } finally {
    await probe.end().catch(() => undefined);
  }
  const connection = { connectionString: url, schema: SCHEMA, migrate: true, max: 2, application_name: 'zerotouch' };
  const place = placeOf(where, {
    // Queue and Worker are the same to who uses them, whatever is behind.
    queue: (name) => new Queue(name, { connection }, createPostgresBackend) as unknown as Queue,
    worker: (name, options) => new Worker(name, null, { connection, ...options }, createPostgresBackend) as unknown as Worker,
    close: () => undefined,
  });
  try {
    // Makes its tables, where they are not there yet.
    await place.queue('zerotouch-fleet-tables').waitUntilReady();
  } catch (error) {
    await place.close();
    throw faultOf(error, where);
  }
  return place;
}

interface Maker {
  queue(name: string): Queue;
  worker(name: string, options: TakerOptions): Worker;
  close(): void;
}

interface TakerOptions {
  autorun: false;
  lockDuration: number;
  stalledInterval: number;
  maxStalledCount: number;
}

function placeOf(where: string, make: Maker): QueuePlace {
  const open: { close(): Promise<void> }[] = [];
  const kept = <T extends { close(): Promise<void>; on(event: 'error', listener: () => void): unknown }>(made: T): T => {
    // A connection that breaks is made again by the driver; what was asked for meanwhile fails, or waits, where it was asked.
    made.on('error', () => undefined);
    open.push(made);
    return made;
  };
  return {
    where,
    queue: <Data>(name: string) => kept(make.queue(name)) as Queue<Data>,
    taker: async <Data>(name: string, leaseMs: number) => {
      const taker = kept(
        // How often a shard may be lost is for the fleet to say, which sees why.
        make.worker(name, { autorun: false, lockDuration: leaseMs, stalledInterval: Math.ceil(leaseMs / 3), maxStalledCount: 1_000_000 }),
      );
      await taker.waitUntilReady();
      await taker.startStalledCheckTimer();
      return taker as Worker<Data>;
    },
    close: async () => {
      await Promise.all(open.map((each) => each.close().catch(() => undefined)));
      make.close();
    },
  };
}

function faultOf(error: unknown, where: string): FleetFault {
  const { code = '', message = String(error) } = error as { code?: string; message?: string };
  // PostgreSQL's classes 28 (authorisation), 3D (no such database), 42 (no right); Redis says NOAUTH, WRONGPASS, NOPERM.
  const refused = /^(28|3D|42)/.test(code) || /NOAUTH|WRONGPASS|NOPERM|SSL|certificate/.test(message) || /Postgre.*version/i.test(message);
  return refused
    ? new FleetFault('QUEUE_UNUSABLE', 'the queue refused to work', {
        where,
        seen: message,
        expected: 'Redis 6.2 or later, or PostgreSQL 13 or later, where this user may make tables',
        remedy: 'check user, password and database in the URL',
        cause: error,
      })
    : new FleetFault('QUEUE_UNREACHABLE', 'the queue does not answer', {
        where,
        seen: code === '' ? message : code,
        remedy: 'start it, or check host and port in the URL',
        cause: error,
      });
}
