import { availableParallelism } from 'node:os';
import type { Endpoint } from '@zerotouch/firmware-sim/boot/ports';
import { type Clock, systemClock } from '@zerotouch/foundation/clock';
import { type Entropy, systemEntropy } from '@zerotouch/foundation/entropy';
import type { BurnFigures, BurnParts, FleetBurn } from './burning.js';
import { layOut, type Machine, thisMachine } from './capacity.js';
import { listImages } from './images.js';
import { mergeTallies, percentiles, type ScenarioTally, type Tally, wholeHistogram } from './metrics.js';
import { orderOf, planDevices, refuseTwins, shareOf } from './plan.js';
import { ShardHandle } from './shard-handle.js';
import type { FleetSpec } from './spec.js';
import type { TracePlace } from './trace/trace-place.js';

export { FleetFault } from './faults.js';
export type { Tally } from './metrics.js';
export { type FleetSpec, fleetSpecJsonSchema, parseFleetSpec } from './spec.js';

/** How a fleet is powered on. */
export interface FleetOptions {
  /** Where its devices go. */
  readonly endpoint: Endpoint;
  /** Most devices a second that come back after a power cut; absent: all at once. */
  readonly backPerSecond?: number;
  /** Processes; absent: one a core, more where descriptors ask for it. */
  readonly workers?: number;
  /** Path of another runtime for the processes: Bun. */
  readonly execPath?: string;
  readonly clock?: Clock;
  readonly entropy?: Entropy;
  readonly machine?: Machine;
  /** For a spec that says `burn`. */
  readonly burn?: BurnParts;
  /** Ends the fleet early; it is switched off when {@link runFleet} resolves. */
  readonly signal?: AbortSignal;
  /** Called about twice a second with everything so far. */
  readonly onTally?: (tally: Tally) => void;
  /** Tells what happens to one device in so many as OpenTelemetry traces. */
  readonly trace?: {
    readonly to: TracePlace;
    readonly oneIn: number /** Called once when they do not get there. */;
    readonly onUntold: (detail: string) => void;
  };
  /** Called once the fleet can be steered. */
  readonly onControls?: (controls: FleetControls) => void;
}

/** Steers a fleet while it runs. */
export interface FleetControls {
  /** No device is powered on until {@link resume}. */
  pause(): void;
  resume(): void;
  /** Takes the power away from a share of the devices (0 to 1) for so many seconds. */
  cutPower(share: number, seconds: number): void;
  /** Takes the power away from a region for so many seconds. */
  bringDown(region: string, seconds: number): void;
}

/** How the devices under one scenario ended; `failed` with those whose day was not over. */
export type ScenarioFigures = Readonly<ScenarioTally>;

/** How a fleet ended. */
export interface FleetResult {
  readonly devices: number;
  /** Devices that have been running. */
  readonly running: number;
  /** Devices that have not, but for those that ended elsewhere because their scenario says so. */
  readonly failed: number;
  /** Devices with a bad day, by the name of its scenario. */
  readonly scenarios: Readonly<Record<string, ScenarioFigures>>;
  /** From power on to running, milliseconds; null when none ran. */
  readonly bootMs: { readonly p50: number | null; readonly p95: number | null; readonly p99: number | null };
  /** Devices by host name of their hub. */
  readonly hubs: Readonly<Record<string, number>>;
  /** Waits after a failure. */
  readonly retries: number;
  /** Answers 429. */
  readonly throttled: number;
  /** CPU time of the devices' processes, milliseconds a device that ran. */
  readonly cpuMsPerBoot: number | null;
  /** What the memory of the devices' processes grew by, kilobytes a device; null when it did not: a few devices find room in what is there. */
  readonly kbPerDevice: number | null;
  readonly seconds: number;
  readonly processes: number;
  /** What was burnt, where the spec says `burn`. */
  readonly burn?: BurnFigures;
  /** Whether it was ended before every device had run. */
  readonly aborted: boolean;
  /** Everything, for reports. */
  readonly tally: Tally;
}

/** How often the figures are told, milliseconds. */
const TELL_MS = 500;

/**
 * Powers a fleet on over real sockets: every device from its own image, with its own certificate or key, the boot machine that every device
 * runs; resolves when all have run (and stayed as long as the spec says), time is up or `signal` is aborted. Nothing is left open.
 * @throws FleetFault IMAGES_MISSING, IMAGE_UNUSABLE, IMAGE_TWICE, TOO_FEW_DESCRIPTORS, TOO_FEW_PORTS before any device is powered on; SHARD_LOST;
 *   where it burns, SpecFault and ManufacturingFault of burnBatch
 */
export async function runFleet(spec: FleetSpec, options: FleetOptions): Promise<FleetResult> {
  const { clock = systemClock, entropy = systemEntropy, signal, machine = thisMachine() } = options;
  // The factory is loaded where something is burnt.
  const factory = spec.burn && (await openFactory(spec.burn));
  const images = factory === undefined ? await listImages(spec.images, spec.devices) : factory.plannedImages(factory.batch, spec);
  const layout = layOut(
    { devices: images.length, host: options.endpoint.dpsHost, cores: availableParallelism(), wanted: options.workers },
    machine,
  );
  const { trace } = options;
  let isUntold = false;
  const onUntold = (detail: string): void => {
    if (!isUntold) trace?.onUntold(detail);
    isUntold = true;
  };
  const shards = Array.from({ length: layout.processes }, () => new ShardHandle(options.execPath, onUntold));
  let burning: FleetBurn | undefined;
  try {
    const mine = <T>(all: readonly T[], shard: number): T[] => shareOf(all, shard, shards.length);
    if (factory === undefined) {
      const ids = await Promise.all(shards.map((shard, index) => shard.prepare(mine(images, index))));
      refuseTwins(images, shards.length, ids);
    }
    signal?.throwIfAborted();
    const planned = planDevices(spec, images, entropy);
    const devices = trace === undefined ? planned : planned.map((device, index) => ({ ...device, isTraced: index % trace.oneIn === 0 }));
    if (factory !== undefined)
      burning = await factory.burnFor(factory.batch, { images, devices, shards, out: spec.images, parts: options.burn ?? {} });
    const startedAt = clock.now() + 100;
    const ends = shards.map((shard, index) =>
      shard.run({
        ...orderOf(
          spec,
          mine(devices, index),
          options.endpoint,
          layout.sources[index] ?? [],
          shards.length,
          startedAt,
          options.backPerSecond,
        ),
        ...(trace === undefined ? {} : { traceTo: trace.to }),
      }),
    );
    options.onControls?.(controlsOf(shards));
    const aborted = await lastUntil(ends, shards, images.length, spec, { ...options, clock, failure: burning?.failure });
    const seconds = (clock.now() - startedAt) / 1000;
    const [burn] = await Promise.all([burning?.end(), ...shards.map((shard) => shard.end())]);
    const tally = mergeTallies(shards.map((shard) => shard.tally));
    return { ...resultOf(tally, { seconds, aborted, processes: shards.length }), ...(burn === undefined ? {} : { burn }) };
  } finally {
    await burning?.end().catch(() => undefined);
    await Promise.all(shards.map((shard) => shard.end()));
  }
}

/** The code of the factory, loaded where something is burnt, and the batch to burn. */
async function openFactory(burn: NonNullable<FleetSpec['burn']>) {
  const factory = await import('./burning.js');
  return { ...factory, batch: await factory.readFleetBatch(burn) };
}

/** Waits for the devices, the time they stay, or whatever ends the fleet early. @returns whether something did */
async function lastUntil(
  ends: readonly Promise<void>[],
  shards: readonly ShardHandle[],
  count: number,
  spec: FleetSpec,
  { clock, signal, onTally, failure }: FleetOptions & { clock: Clock; failure: Promise<never> | undefined },
): Promise<boolean> {
  const over = new AbortController();
  const stop = (): void => over.abort();
  signal?.addEventListener('abort', stop, { once: true });
  if (signal?.aborted === true) stop();
  const timer = setInterval(() => onTally?.({ ...mergeTallies(shards.map((shard) => shard.tally)), devices: count }), TELL_MS);
  const pause = (seconds: number): Promise<boolean> =>
    clock.wait(seconds * 1000, over.signal).then(
      () => false,
      () => true,
    );
  try {
    const settled = Promise.race([Promise.all(ends), ...(failure === undefined ? [] : [failure])]).then(() => true);
    const inTime = await Promise.race([settled, pause(spec.giveUpAfterSeconds).then(() => false)]);
    if (!inTime) return true;
    return await pause(spec.afterwards.stayForSeconds);
  } finally {
    clearInterval(timer);
    over.abort();
    signal?.removeEventListener('abort', stop);
    for (const end of ends) end.catch(() => undefined);
  }
}

function controlsOf(shards: readonly ShardHandle[]): FleetControls {
  const all = (message: Parameters<ShardHandle['tell']>[0]): void => {
    for (const shard of shards) shard.tell(message);
  };
  return {
    pause: () => all({ kind: 'pause' }),
    resume: () => all({ kind: 'resume' }),
    cutPower: (share, seconds) => all({ kind: 'cut', which: { share }, forMs: seconds * 1000 }),
    bringDown: (region, seconds) => all({ kind: 'cut', which: { region }, forMs: seconds * 1000 }),
  };
}

/** The figures of a fleet. */
export function resultOf(
  tally: Tally,
  { seconds, aborted, processes }: Pick<FleetResult, 'seconds' | 'aborted' | 'processes'>,
): FleetResult {
  const { devices, booted, hubs, retries, throttled, cpuMs, memoryKb } = tally;
  const scenarios = Object.fromEntries(
    Object.entries(tally.scenarios)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, own]) => [name, { ...own, failed: own.devices - own.running - own.elsewhere }]),
  );
  const elsewhere = Object.values(scenarios).reduce((sum, own) => sum + own.elsewhere, 0);
  const each = (sum: number, count: number): number | null => (count === 0 ? null : Math.round((sum / count) * 100) / 100);
  return {
    devices,
    running: booted,
    failed: devices - booted - elsewhere,
    scenarios,
    bootMs: percentiles(wholeHistogram(tally)),
    hubs: Object.fromEntries(Object.entries(hubs).sort()),
    retries,
    throttled,
    cpuMsPerBoot: each(cpuMs, booted),
    kbPerDevice: memoryKb > 0 ? each(memoryKb, booted) : null,
    seconds: Math.round(seconds * 10) / 10,
    processes,
    aborted,
    tally,
  };
}
