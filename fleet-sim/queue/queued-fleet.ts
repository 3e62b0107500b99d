import { availableParallelism } from 'node:os';
import { type Clock, systemClock } from '@zerotouch/foundation/clock';
import { type Entropy, systemEntropy } from '@zerotouch/foundation/entropy';
import type { Queue } from 'bullmq';
import { FleetFault } from '../faults.js';
import { type FleetControls, type FleetOptions, type FleetResult, resultOf } from '../fleet.js';
import { listImages } from '../images.js';
import { mergeTallies, type Tally } from '../metrics.js';
import { refuseTwins, shareOf } from '../plan.js';
import { ShardHandle } from '../shard-handle.js';
import type { FleetSpec } from '../spec.js';
import { inTime } from './in-time.js';
import { openQueuePlace, type QueuePlace } from './queue-place.js';
import { devicesOf, digestOf, namesDigestOf, RUNS_QUEUE, type RunRecord, runJob, type ShardJob, shardsQueue } from './run-record.js';
import { ShardBook } from './shard-book.js';

/** How a fleet is powered on by the workers of a queue. */
export interface QueuedFleetOptions extends Pick<FleetOptions, 'endpoint' | 'backPerSecond' | 'signal' | 'onTally' | 'onControls'> {
  /** URL of the queue; a secret. */
  readonly url: string;
  /** Of zerotouch; workers of another refuse. */
  readonly version: string;
  /** Into how many parts it is cut; absent: parts of a thousand devices, and at least four. */
  readonly shards?: number;
  readonly clock?: Clock;
  readonly entropy?: Entropy;
  /** Told once each: that no worker has come, which refused, which shards were lost and taken up again. */
  readonly onNote?: (note: string) => void;
}

/** Devices of a shard, unless it is said how many shards there are. */
const SHARD_DEVICES = 1_000;
const LEAST_SHARDS = 4;
/** How often the shards are looked at, milliseconds. */
const LOOK_MS = 500;
/** How long the workers may take to switch everything off, milliseconds. */
const LET_GO_MS = 30_000;
/** How long nothing is said about there being no worker, milliseconds. */
const PATIENCE_MS = 5_000;

/**
 * Powers a fleet on by the workers of a queue, on any number of machines. What fails a fleet on one machine fails it here, before anything is
 * in the queue; when this resolves or rejects nothing is left in it, and every worker has switched off what it ran.
 * @throws FleetFault as of runFleet; QUEUE_ADDRESS, QUEUE_UNREACHABLE, QUEUE_UNUSABLE; SHARD_LOST when a shard was lost time after time
 */
export async function runQueuedFleet(spec: FleetSpec, options: QueuedFleetOptions): Promise<FleetResult> {
  const { clock = systemClock, entropy = systemEntropy, signal } = options;
  if (spec.burn !== undefined) {
    throw new FleetFault('BURN_HERE', 'a fleet of a queue cannot burn its images as it goes', {
      where: 'burn',
      expected: 'images: the CA keys of a batch would have to be on every worker',
      remedy: 'burn first (zerotouch burn), share the folder, and say images; or leave --queue out',
    });
  }
  const place = await openQueuePlace(options.url);
  try {
    const images = await listImages(spec.images, spec.devices);
    const shards = Math.min(images.length, options.shards ?? Math.max(LEAST_SHARDS, Math.ceil(images.length / SHARD_DEVICES)));
    const ids = await readIds(images, shards);
    signal?.throwIfAborted();
    const record: RunRecord = {
      id: entropy.bytes(8).toString('hex'),
      version: options.version,
      spec,
      devices: images.length,
      shards,
      endpoint: options.endpoint,
      ...(options.backPerSecond === undefined ? {} : { backPerSecond: options.backPerSecond }),
      seed: entropy.bytes(16).toString('hex'),
      namesDigest: namesDigestOf(images),
      idsDigests: ids.map(digestOf),
      beat: 0,
      elapsedMs: 0,
      over: false,
      said: [],
    };
    // What a plan refuses is refused here, not on every worker.
    devicesOf(record, images, 0);
    return await new QueuedFleet(place, record, { ...options, clock }).run();
  } finally {
    await place.close();
  }
}

/** The registration ids in the images of each shard. */
async function readIds(images: readonly string[], shards: number): Promise<string[][]> {
  const readers = Array.from({ length: Math.min(availableParallelism(), images.length) }, () => new ShardHandle());
  try {
    const read = await Promise.all(readers.map((reader, index) => reader.prepare(shareOf(images, index, readers.length))));
    refuseTwins(images, readers.length, read);
    const all = images.map((_, index) => read[index % readers.length]?.[Math.floor(index / readers.length)] ?? '');
    return Array.from({ length: shards }, (_, shard) => shareOf(all, shard, shards));
  } finally {
    await Promise.all(readers.map((reader) => reader.end()));
  }
}

/** One fleet in the queue, seen by who submitted it. */
class QueuedFleet {
  readonly #options: QueuedFleetOptions & { clock: Clock };
  readonly #place: QueuePlace;
  readonly #runs: Queue<RunRecord>;
  readonly #shards: Queue<ShardJob>;
  readonly #book: ShardBook;
  #record: RunRecord;
  #startedAt = 0;

  constructor(place: QueuePlace, record: RunRecord, options: QueuedFleetOptions & { clock: Clock }) {
    this.#options = options;
    this.#place = place;
    this.#record = record;
    this.#runs = place.queue(RUNS_QUEUE);
    this.#shards = place.queue(shardsQueue(record.id));
    this.#book = new ShardBook(record.shards, (note) => options.onNote?.(note));
  }

  async run(): Promise<FleetResult> {
    const { clock, onControls } = this.#options;
    try {
      await this.#shards.addBulk(
        Array.from({ length: this.#record.shards }, (_, shard) => ({
          name: 'shard',
          data: { shard },
          opts: { jobId: `shard-${shard}` },
        })),
      );
      this.#startedAt = clock.monotonic();
      await this.#runs.add('run', this.#record, { jobId: runJob(this.#record.id) });
      onControls?.(this.#controls());
      const aborted = await this.#last();
      const seconds = (clock.monotonic() - this.#startedAt) / 1000;
      return resultOf(this.#tally(), { seconds, aborted, processes: this.#record.shards });
    } finally {
      await this.#end();
    }
  }

  /** Looks after the fleet until it has run and stayed, or something ends it early. @returns whether something did */
  async #last(): Promise<boolean> {
    const { clock, signal, onTally, onNote } = this.#options;
    const { giveUpAfterSeconds, afterwards } = this.#record.spec;
    let settledAt: number | undefined;
    let lonely = false;
    for (;;) {
      await this.#book.look(this.#shards);
      const elapsed = clock.monotonic() - this.#startedAt;
      onTally?.(this.#tally());
      for (const note of await this.#refusals()) onNote?.(note);
      if (!lonely && elapsed > PATIENCE_MS && !this.#book.wasTaken) {
        lonely = true;
        onNote?.(`no worker has taken a part of this fleet yet; start zerotouch fleet-worker with the same --queue (${this.#place.where})`);
      }
      // A shard that was lost while the fleet stayed is taken up again, and the fleet stays from then on.
      settledAt = this.#book.isSettled ? (settledAt ?? elapsed) : undefined;
      if (settledAt !== undefined && elapsed >= settledAt + afterwards.stayForSeconds * 1000) return false;
      if (settledAt === undefined && elapsed > giveUpAfterSeconds * 1000) return true;
      if (signal?.aborted === true) return true;
      await this.#update({ beat: this.#record.beat + 1, elapsedMs: elapsed });
      await clock.wait(LOOK_MS, signal).catch(() => undefined);
    }
  }

  #tally(): Tally {
    return { ...mergeTallies(this.#book.tallies()), devices: this.#record.devices };
  }

  async #update(change: Partial<RunRecord>): Promise<void> {
    this.#record = { ...this.#record, ...change };
    const job = await this.#inTime(this.#runs.getJob(runJob(this.#record.id)));
    await this.#inTime(job?.updateData(this.#record) ?? Promise.resolve());
  }

  #refused = 0;
  /** What workers that would not take part have written beside the record. */
  async #refusals(): Promise<string[]> {
    const { logs } = await this.#inTime(this.#runs.getJobLogs(runJob(this.#record.id), this.#refused));
    this.#refused += logs.length;
    return logs;
  }

  #inTime<T>(work: Promise<T>): Promise<T> {
    return inTime(work, () => {
      throw new FleetFault('QUEUE_UNREACHABLE', 'the queue no longer answers', {
        where: this.#place.where,
        remedy: 'start it again, then the fleet; its workers switch off what they ran by themselves',
      });
    });
  }

  #controls(): FleetControls {
    const say = (...messages: RunRecord['said']): void => {
      this.#update({ said: [...this.#record.said, ...messages] }).catch(() => undefined);
    };
    return {
      pause: () => say({ kind: 'pause' }),
      resume: () => say({ kind: 'resume' }),
      cutPower: (share, seconds) => say({ kind: 'cut', which: { share }, forMs: seconds * 1000 }),
      bringDown: (region, seconds) => say({ kind: 'cut', which: { region }, forMs: seconds * 1000 }),
    };
  }

  /** Has everything switched off, and takes it out of the queue. */
  async #end(): Promise<void> {
    const { clock } = this.#options;
    try {
      await this.#update({ over: true });
      const until = clock.monotonic() + LET_GO_MS;
      // A worker that has died since has nothing left to switch off.
      while (clock.monotonic() < until && (await this.#inTime(this.#shards.getActiveCount())) > 0) await clock.wait(LOOK_MS / 2);
      await this.#inTime(this.#shards.obliterate({ force: true }));
      await this.#inTime(this.#runs.remove(runJob(this.#record.id)).then(() => undefined));
    } catch {
      // The queue has gone: what ended the fleet says so, and the workers see that nobody counts on.
    }
  }
}
