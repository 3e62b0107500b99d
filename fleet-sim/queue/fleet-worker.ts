import { type Clock, systemClock } from '@zerotouch/foundation/clock';
import { type Entropy, systemEntropy } from '@zerotouch/foundation/entropy';
import type { Queue, Worker } from 'bullmq';
import { type Machine, thisMachine } from '../capacity.js';
import { FleetFault } from '../faults.js';
import { inTime } from './in-time.js';
import { openQueuePlace, type QueuePlace } from './queue-place.js';
import { RUNS_QUEUE, type RunRecord, runJob, type ShardJob, shardsQueue, toldOf } from './run-record.js';
import { type DutyGround, ShardDuty } from './shard-duty.js';

/** What a worker tells of itself. */
export type WorkerEvent =
  | { readonly event: 'ready'; readonly worker: string; readonly version: string; readonly queue: string }
  | {
      readonly event: 'taken' | 'running' | 'given-back' | 'lost';
      readonly run: string;
      readonly shard: number;
      readonly attempt: number;
      readonly reason?: string;
    }
  | { readonly event: 'over'; readonly run: string };

/** How a worker works. */
export interface FleetWorkerOptions {
  /** URL of the queue; a secret. */
  readonly url: string;
  /** How fleets and people call it. */
  readonly name: string;
  /** Of zerotouch; a fleet of another is refused. */
  readonly version: string;
  /** How many of its shards boot at a time; those that run are held beside them. */
  readonly atOnce: number;
  /** Where it sees the images, when not where who submitted the fleet does. */
  readonly images?: string;
  /** Path of another runtime for the processes: Bun. */
  readonly execPath?: string;
  /** Silence after which its shards are another's, milliseconds. */
  readonly leaseMs?: number;
  /** Ends when a fleet that it took part in is over. */
  readonly once?: boolean;
  readonly signal: AbortSignal;
  readonly clock?: Clock;
  readonly entropy?: Entropy;
  readonly machine?: Machine;
  readonly onEvent?: (event: WorkerEvent) => void;
}

export const LEASE_MS = 15_000;
/** How often a worker looks for work and tells of what it has, milliseconds. */
const BEAT_MS = 500;
/** Silence of who submitted a fleet after which nobody counts on it any more, milliseconds. */
const FORGOTTEN_MS = 30_000;

/**
 * Runs shards of fleets until the signal is aborted: then it switches off what it runs, and leaves it to other workers.
 * @returns how many shards it ran
 * @throws FleetFault QUEUE_ADDRESS, QUEUE_UNREACHABLE, QUEUE_UNUSABLE; WORKER_VERSION; what keeps it from running a shard (IMAGES_MISSING,
 *   IMAGES_DIFFER, IMAGE_UNUSABLE, TOO_FEW_DESCRIPTORS, TOO_FEW_PORTS), after leaving the shard to others
 */
export async function workFleet(options: FleetWorkerOptions): Promise<number> {
  const place = await openQueuePlace(options.url);
  const worker = new FleetWorker(place, options);
  try {
    return await worker.work();
  } finally {
    await place.close();
  }
}

class FleetWorker {
  readonly #place: QueuePlace;
  readonly #options: FleetWorkerOptions;
  readonly #clock: Clock;
  readonly #runs: Queue<RunRecord>;
  readonly #duties = new Map<string, RunDuty>();

  constructor(place: QueuePlace, options: FleetWorkerOptions) {
    this.#place = place;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#runs = place.queue(RUNS_QUEUE);
  }

  async work(): Promise<number> {
    const { signal, name, version, once = false, onEvent } = this.#options;
    onEvent?.({ event: 'ready', worker: name, version, queue: this.#place.where });
    let shards = 0;
    try {
      while (!signal.aborted) {
        for (const [id, { taken }] of await inTime(this.#step(), () => this.#silent())) {
          shards += taken;
          onEvent?.({ event: 'over', run: id });
          if (once && taken > 0) return shards;
        }
        await this.#clock.wait(BEAT_MS, signal).catch(() => undefined);
      }
      return shards + [...this.#duties.values()].reduce((sum, { taken }) => sum + taken, 0);
    } finally {
      // A queue that is gone cannot be told; its leases end by themselves.
      await inTime(Promise.all([...this.#duties.values()].map((duty) => duty.leave())), () => this.#silent()).catch(() => undefined);
    }
  }

  /** Looks after everything once. @returns the fleets that are over */
  async #step(): Promise<[string, RunDuty][]> {
    const records = await this.#look();
    for (const record of records) if (!this.#duties.has(record.id) && !record.over) await this.#join(record);
    const over: [string, RunDuty][] = [];
    for (const [id, duty] of this.#duties) {
      if (await duty.step(records.find((record) => record.id === id))) continue;
      this.#duties.delete(id);
      over.push([id, duty]);
    }
    return over;
  }

  #silent(): never {
    throw new FleetFault('QUEUE_UNREACHABLE', 'the queue no longer answers', {
      where: this.#place.where,
      remedy: 'start it again, then this worker; what it ran is taken up by others',
    });
  }

  /** The fleets that run. */
  async #look(): Promise<RunRecord[]> {
    const jobs = await this.#runs.getJobs(['waiting']);
    return jobs.filter((job) => job !== undefined).map(({ data }) => data);
  }

  async #join(record: RunRecord): Promise<void> {
    const { name, version, leaseMs = LEASE_MS, entropy = systemEntropy } = this.#options;
    if (record.version !== version) {
      const fault = new FleetFault('WORKER_VERSION', `the worker ${name} and fleet ${record.id} are of different versions`, {
        where: this.#place.where,
        seen: `${version} here`,
        expected: record.version,
        remedy: `install zerotouch ${record.version} on this machine`,
      });
      await note(this.#runs, record.id, fault.message);
      throw fault;
    }
    const taker = await this.#place.taker<ShardJob>(shardsQueue(record.id), leaseMs);
    const { images, execPath, machine = thisMachine() } = this.#options;
    const ground = { worker: name, clock: this.#clock, machine, leaseMs, images, execPath };
    const token = `${name} ${entropy.bytes(8).toString('hex')}`;
    this.#duties.set(record.id, new RunDuty(record, taker, token, ground, this.#options, this.#runs, this.#place));
  }
}

/** What a worker does for one fleet. */
class RunDuty {
  readonly #taker: Worker<ShardJob>;
  readonly #token: string;
  readonly #ground: DutyGround;
  readonly #options: FleetWorkerOptions;
  readonly #runs: Queue<RunRecord>;
  readonly #place: QueuePlace;
  readonly #duties = new Set<ShardDuty>();
  #record: RunRecord;
  #beatAt: number;
  /** Shards that it has taken. */
  taken = 0;

  constructor(
    record: RunRecord,
    taker: Worker<ShardJob>,
    token: string,
    ground: DutyGround,
    options: FleetWorkerOptions,
    runs: Queue<RunRecord>,
    place: QueuePlace,
  ) {
    this.#record = record;
    this.#taker = taker;
    this.#token = token;
    this.#ground = ground;
    this.#options = options;
    this.#runs = runs;
    this.#place = place;
    this.#beatAt = ground.clock.monotonic();
  }

  /** @param record as it stands now, absent when it is gone. @returns whether the fleet goes on @throws what keeps this worker from running a shard */
  async step(record: RunRecord | undefined): Promise<boolean> {
    const now = this.#ground.clock.monotonic();
    if (record !== undefined && record.beat !== this.#record.beat) this.#beatAt = now;
    if (record !== undefined) this.#record = record;
    const isForgotten = now - this.#beatAt > FORGOTTEN_MS;
    if (record === undefined || record.over || isForgotten) {
      await Promise.all([...this.#duties].map((duty) => duty.finish()));
      if (isForgotten) await this.#forget();
      await this.#taker.close();
      return false;
    }
    for (const duty of this.#duties) await this.#look(duty);
    const booting = [...this.#duties].filter((duty) => !duty.isSettled).length;
    if (booting < this.#options.atOnce) await this.#take();
    return true;
  }

  /** Leaves everything to other workers. */
  async leave(): Promise<void> {
    await Promise.all([...this.#duties].map((duty) => this.#giveBack(duty, 'this worker ends')));
    await this.#taker.close();
  }

  async #look(duty: ShardDuty): Promise<void> {
    if (duty.fault !== undefined) {
      // Beside the record, which outlasts the shard's own report: the next attempt writes over that one.
      const { name } = this.#options;
      await note(this.#runs, this.#record.id, `${name} gives shard ${duty.shard} back: ${toldOf(duty.fault)}`);
      await this.#giveBack(duty, duty.fault.message);
      // Its process died: another attempt may go well. Anything else would go wrong again.
      if ((duty.fault as { code?: string }).code !== 'SHARD_LOST') throw duty.fault;
      return;
    }
    if (await duty.tell(this.#record)) return;
    this.#duties.delete(duty);
    this.#tell('lost', duty, 'the queue has given it to another worker');
    await duty.drop();
  }

  async #take(): Promise<void> {
    const job = await this.#taker.getNextJob(this.#token, { block: false });
    if (job === undefined) return;
    const duty = new ShardDuty(job, this.#token, this.#record, this.#ground);
    this.#duties.add(duty);
    this.taken += 1;
    this.#tell('taken', duty);
    const elapsed = (): number => this.#record.elapsedMs + this.#ground.clock.monotonic() - this.#beatAt;
    void duty.run(this.#record, elapsed).then(() => {
      if (duty.isSettled && this.#duties.has(duty)) this.#tell('running', duty);
    });
    await duty.tell(this.#record);
  }

  async #giveBack(duty: ShardDuty, reason: string): Promise<void> {
    this.#duties.delete(duty);
    await duty.giveBack();
    this.#tell('given-back', duty, reason);
  }

  /** Who submitted it has died: nothing of it stays in the queue. */
  async #forget(): Promise<void> {
    const { id } = this.#record;
    await this.#place.queue(shardsQueue(id)).obliterate({ force: true });
    await this.#runs.remove(runJob(id));
  }

  #tell(event: 'taken' | 'running' | 'given-back' | 'lost', { shard, attempt }: ShardDuty, reason?: string): void {
    this.#options.onEvent?.({ event, run: this.#record.id, shard, attempt, ...(reason === undefined ? {} : { reason }) });
  }
}

/** Leaves a line for who submitted a fleet, unless it is gone. */
async function note(runs: Queue<RunRecord>, run: string, line: string): Promise<void> {
  await runs.addJobLog(runJob(run), line).catch(() => undefined);
}
