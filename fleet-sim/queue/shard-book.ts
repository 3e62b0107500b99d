import type { Job, Queue } from 'bullmq';
import { FleetFault } from '../faults.js';
import type { Tally } from '../metrics.js';
import type { ShardJob, ShardReport } from './run-record.js';

/** Attempts at one shard after which it is given up: something on every worker kills it. */
const MOST_ATTEMPTS = 10;

/**
 * What is known of the shards of a fleet. Each counts once, by its newest attempt; one that waits for a worker, because none has come or the
 * last one died, counts nothing: its devices are off.
 */
export class ShardBook {
  readonly #shards: number;
  readonly #note: (note: string) => void;
  readonly #reports = new Map<number, ShardReport>();
  readonly #held = new Set<number>();
  readonly #noted = new Set<string>();

  constructor(shards: number, note: (note: string) => void) {
    this.#shards = shards;
    this.#note = note;
  }

  /** Whether any shard has been taken by a worker. */
  get wasTaken(): boolean {
    return this.#reports.size > 0;
  }

  /** Whether every device of every shard has been running or never will, and is held by somebody. */
  get isSettled(): boolean {
    if (this.#held.size < this.#shards) return false;
    return [...this.#reports.values()].every(({ settled }) => settled);
  }

  *tallies(): Iterable<Tally> {
    for (const shard of this.#held) {
      const report = this.#reports.get(shard);
      if (report !== undefined) yield report.tally;
    }
  }

  /** Reads how far the shards are. @throws FleetFault SHARD_LOST */
  async look(queue: Queue<ShardJob>): Promise<void> {
    // In one answer each: a shard that moves between the two is not held until the next look.
    const [active, waiting] = await Promise.all([queue.getJobs(['active']), queue.getJobs(['waiting', 'delayed', 'failed'])]);
    this.#held.clear();
    for (const job of active) if (this.#take(job)) this.#held.add(job.data.shard);
    for (const job of waiting) this.#giveUp(job);
  }

  /** @returns whether its newest attempt is under way */
  #take({ data: { shard }, progress, attemptsStarted }: Job<ShardJob>): boolean {
    const report = reportIn(progress);
    if (report === undefined) return false;
    const known = this.#reports.get(shard);
    // An attempt that was thought dead and is not may still tell: it was taken over, and counts no more.
    if (known === undefined || report.attempt >= known.attempt) this.#reports.set(shard, report);
    if (known !== undefined && report.attempt > known.attempt) {
      this.#noteOnce(
        `shard ${shard} of ${this.#shards}: ${known.worker} lost it, ${report.worker} runs it again (attempt ${report.attempt})`,
      );
    }
    return (this.#reports.get(shard)?.attempt ?? 0) >= attemptsStarted && report.fault === undefined;
  }

  #giveUp({ data: { shard }, progress, attemptsStarted }: Job<ShardJob>): void {
    const report = reportIn(progress);
    if (attemptsStarted < MOST_ATTEMPTS) return;
    const last =
      report === undefined ? '' : `, the last by ${report.worker}${report.fault === undefined ? '' : `, which says: ${report.fault}`}`;
    throw new FleetFault('SHARD_LOST', 'a shard of the fleet was lost time after time', {
      where: `shard ${shard} of ${this.#shards}`,
      seen: `${attemptsStarted} attempts${last}`,
      expected: 'a worker that lives until the end of the fleet',
      remedy: 'look at what the workers say of it (out of memory?)',
    });
  }

  #noteOnce(note: string): void {
    if (this.#noted.has(note)) return;
    this.#noted.add(note);
    this.#note(note);
  }
}

function reportIn(progress: unknown): ShardReport | undefined {
  return typeof progress === 'object' && progress !== null && 'attempt' in progress ? (progress as ShardReport) : undefined;
}
