import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import type { Endpoint } from '@zerotouch/firmware-sim/boot/ports';
import { seededEntropy } from '@zerotouch/foundation/entropy';
import { isFault } from '@zerotouch/foundation/fault';
import type { Tally } from '../metrics.js';
import { planDevices, shareOf } from '../plan.js';
import type { ShardDevice } from '../shard.js';
import type { ToShard } from '../shard-messages.js';
import type { FleetSpec } from '../spec.js';

/** What steers a fleet while it runs. */
export type ControlMessage = Extract<ToShard, { kind: 'pause' | 'resume' | 'cut' }>;

/** The queue in which the fleets that run stand, each as one job that nobody takes. */
export const RUNS_QUEUE = 'zerotouch-fleet-runs';

/** The job in it of one fleet. What workers have to say to who submitted it stands in its log. */
export function runJob(run: string): string {
  return `run-${run}`;
}

/** The queue in which the shards of one fleet wait. */
export function shardsQueue(run: string): string {
  return `zerotouch-fleet-run-${run}`;
}

/** A fleet that runs over a queue, as its workers read it. JSON; no secret of a device is in it. */
export interface RunRecord {
  readonly id: string;
  /** Of zerotouch: parts of one fleet that differ would count different things. */
  readonly version: string;
  readonly spec: FleetSpec;
  readonly devices: number;
  readonly shards: number;
  readonly endpoint: Endpoint;
  /** Most devices a second that come back after a power cut; absent: all at once. */
  readonly backPerSecond?: number;
  /** From which every worker draws the same plan. */
  readonly seed: string;
  /** Of the names of its images, in order. */
  readonly namesDigest: string;
  /** Of the registration ids in the images of each shard. */
  readonly idsDigests: readonly string[];
  /** Counts up while whoever submitted it lives. */
  readonly beat: number;
  /** Milliseconds since the fleet began, at that beat. */
  readonly elapsedMs: number;
  /** Everything is switched off. */
  readonly over: boolean;
  /** What has been said to the fleet, in order. */
  readonly said: readonly ControlMessage[];
}

/** A shard that waits for a worker. */
export interface ShardJob {
  readonly shard: number;
}

/** What a worker tells of a shard, again and again. */
export interface ShardReport {
  /** Which attempt at this shard it is, from 1: what an earlier one tells later no longer counts. */
  readonly attempt: number;
  readonly worker: string;
  readonly tally: Tally;
  /** Every device has been running or never will. */
  readonly settled: boolean;
  /** Why the worker gave it back. */
  readonly fault?: string;
}

/** What is told of a fault to who submitted the fleet. */
export function toldOf(fault: Error): string {
  return isFault(fault) ? fault.message : `failed: ${fault.message}`;
}

/** A digest of names, for telling whether two machines see the same images. */
export function digestOf(names: readonly string[]): string {
  return createHash('sha256').update(names.join('\n')).digest('hex').slice(0, 32);
}

/** {@link digestOf} images, wherever their folder is mounted. */
export function namesDigestOf(images: readonly string[]): string {
  return digestOf(images.map((image) => basename(image)));
}

/** The devices of one shard, the same on every machine. Pure. */
export function devicesOf({ spec, seed, shards }: RunRecord, images: readonly string[], shard: number): ShardDevice[] {
  return shareOf(planDevices(spec, images, seededEntropy(seed)), shard, shards);
}

/** Devices as they are due when their shard begins so many milliseconds after its fleet: none at once that was meant to be paced. Pure. */
export function shifted(devices: readonly ShardDevice[], lateMs: number): ShardDevice[] {
  return devices.map((device) => ({ ...device, switches: device.switches.map((at) => at + lateMs) }));
}
