import type { Clock } from '@zerotouch/foundation/clock';
import type { Job } from 'bullmq';
import { layOut, type Machine } from '../capacity.js';
import { FleetFault } from '../faults.js';
import { listImages } from '../images.js';
import { emptyTally } from '../metrics.js';
import { orderOf } from '../plan.js';
import { ShardHandle } from '../shard-handle.js';
import { devicesOf, digestOf, namesDigestOf, type RunRecord, type ShardJob, type ShardReport, shifted, toldOf } from './run-record.js';

/** A shard that begins no later than this after its fleet keeps the fleet's time, milliseconds. */
const IN_TIME_MS = 5_000;

/** What the shards of a worker share. */
export interface DutyGround {
  readonly worker: string;
  readonly clock: Clock;
  readonly machine: Machine;
  readonly leaseMs: number;
  /** Where this machine sees the images, when not where who submitted the fleet does. */
  readonly images?: string | undefined;
  readonly execPath?: string | undefined;
}

/** One attempt at a shard: a process of devices, held as long as the fleet lasts and the lease is renewed. */
export class ShardDuty {
  readonly shard: number;
  readonly attempt: number;
  readonly #job: Job<ShardJob>;
  readonly #token: string;
  readonly #ground: DutyGround;
  readonly #handle: ShardHandle;
  #heard: number;
  #settled = false;
  /** Why it cannot go on here. */
  fault: Error | undefined;

  constructor(job: Job<ShardJob>, token: string, { said }: RunRecord, ground: DutyGround) {
    this.shard = job.data.shard;
    this.attempt = job.attemptsStarted;
    this.#job = job;
    this.#token = token;
    this.#ground = ground;
    this.#heard = said.length;
    this.#handle = new ShardHandle(ground.execPath);
  }

  /** Whether every device has been running or never will. */
  get isSettled(): boolean {
    return this.#settled;
  }

  /** Powers its devices on. Never rejects: see {@link fault}. @param elapsedMs since the fleet began */
  async run(run: RunRecord, elapsedMs: () => number): Promise<void> {
    try {
      const { clock, machine, images: own } = this.#ground;
      const folder = own ?? run.spec.images;
      const images = await listImages(folder, run.spec.devices);
      if (namesDigestOf(images) !== run.namesDigest) throw imagesDiffer(folder, 'other images, by their names');
      const devices = devicesOf(run, images, this.shard);
      const ids = await this.#handle.prepare(devices.map(({ image }) => image));
      if (digestOf(ids) !== run.idsDigests[this.shard]) throw imagesDiffer(folder, 'images of the same names for other devices');
      const layout = layOut({ devices: run.devices, host: run.endpoint.dpsHost, cores: 1, wanted: run.shards }, machine);
      const late = elapsedMs();
      const due = late > IN_TIME_MS ? shifted(devices, late) : devices;
      // Pauses of before hold for it, too; power that was cut before was not its.
      for (const message of run.said.slice(0, this.#heard)) if (message.kind !== 'cut') this.#handle.tell(message);
      const sources = layout.sources[this.shard] ?? [];
      await this.#handle.run(orderOf(run.spec, due, run.endpoint, sources, run.shards, clock.now() - late, run.backPerSecond));
      this.#settled = true;
    } catch (error) {
      this.fault = error as Error;
    }
  }

  /** Renews the lease and tells how far it is. @returns whether it is still this worker's */
  async tell({ said }: RunRecord): Promise<boolean> {
    for (const message of said.slice(this.#heard)) this.#handle.tell(message);
    this.#heard = said.length;
    try {
      await this.#job.extendLock(this.#token, this.#ground.leaseMs);
    } catch (error) {
      if (isLost(error)) return false;
      throw error;
    }
    await this.#job.updateProgress(this.#report());
    return true;
  }

  /** Switches its devices off and takes it out of the queue: the fleet is over. */
  async finish(): Promise<void> {
    await this.#handle.end();
    await this.#job.moveToCompleted({ attempt: this.attempt }, this.#token, false).catch(() => undefined);
  }

  /** Switches its devices off and leaves it to another worker. */
  async giveBack(): Promise<void> {
    await this.#handle.end();
    await this.#job.updateProgress(this.#report()).catch(() => undefined);
    await this.#job.moveToWait(this.#token).catch(() => undefined);
  }

  /** Switches its devices off; it is no longer this worker's. */
  async drop(): Promise<void> {
    await this.#handle.end();
  }

  #report(): ShardReport & object {
    const { worker } = this.#ground;
    const tally = { ...emptyTally(), ...this.#handle.tally };
    const fault = this.fault === undefined ? {} : { fault: toldOf(this.fault) };
    return { attempt: this.attempt, worker, tally, settled: this.#settled, ...fault };
  }
}

/** BullMQ: -2 no lock, -6 not the owner of the lock, -1 no job. */
function isLost(error: unknown): boolean {
  const { code, message = '' } = error as { code?: unknown; message?: string };
  return code === -1 || code === -2 || code === -6 || /lock/i.test(message);
}

function imagesDiffer(folder: string, seen: string): FleetFault {
  return new FleetFault('IMAGES_DIFFER', 'these are not the images of the fleet', {
    where: folder,
    seen,
    expected: 'the folder that who submitted the fleet sees, copied or mounted whole',
    remedy: 'copy or mount it again, and name it with --images when it lies elsewhere here',
  });
}
