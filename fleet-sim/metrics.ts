import { build, decodeFromCompressedBase64, encodeIntoCompressedBase64, type Histogram } from 'hdr-histogram-js';

/** What happened in one second of a fleet, counted from its start. */
export interface SecondTally {
  /** Devices that came online, less those that went. */
  online: number;
  boots: number;
  retries: number;
  throttled: number;
  failures: number;
}

/** Failures of one kind. */
export interface ReasonTally {
  count: number;
  /** What one of them said, for people. */
  example: string;
}

/** How the devices that live through one scenario fare. */
export interface ScenarioTally {
  devices: number;
  /** Devices whose bad day ended on their hub, as the scenario says. */
  running: number;
  /** Devices whose bad day ended in another state that the scenario says. */
  elsewhere: number;
  /** Devices whose day ended otherwise; those whose day is not over are in none of the three. */
  failed: number;
  /** Registrations begun. */
  dpsCalls: number;
  /** Devices that asked DPS more or less often than the scenario says: the cloud may have bad days of its own. */
  dpsCallsOff: number;
  /** Why devices have failed, or are not over their day yet. */
  reasons: Record<string, number>;
}

/** What a part of a fleet has done so far; parts merge without loss. JSON. */
export interface Tally {
  devices: number;
  /** Devices that have been running. */
  booted: number;
  /** Devices that have power now. */
  on: number;
  /** Devices that are online now. */
  online: number;
  /** Devices that only a new burn helps. */
  halted: number;
  retries: number;
  throttled: number;
  telemetry: number;
  hubs: Record<string, number>;
  /** By attestation, client and transport: a boot-time histogram, HdrHistogram compressed, base64. */
  bootMs: Record<string, string>;
  seconds: Record<number, SecondTally>;
  /** By kind of failure and what was being done. */
  reasons: Record<string, ReasonTally>;
  /** By name of the scenario. */
  scenarios: Record<string, ScenarioTally>;
  /** CPU time of the processes from the start until the last device ran, milliseconds. */
  cpuMs: number;
  /** Growth of the processes' memory, kilobytes. */
  memoryKb: number;
}

const SETTINGS = { lowestDiscernibleValue: 1, highestTrackableValue: 24 * 3600 * 1000, numberOfSignificantValueDigits: 3 } as const;

/** An empty histogram of milliseconds. */
export function emptyHistogram(): Histogram {
  return build(SETTINGS);
}

/** A histogram as a tally carries it. */
export function encodeHistogram(histogram: Histogram): string {
  return encodeIntoCompressedBase64(histogram);
}

/** The histograms of a tally in one. */
export function wholeHistogram({ bootMs }: Tally): Histogram {
  const whole = emptyHistogram();
  for (const encoded of Object.values(bootMs)) whole.add(decodeFromCompressedBase64(encoded));
  return whole;
}

/** Median and tails of a histogram, milliseconds; null where nothing was recorded. */
export function percentiles(histogram: Histogram): { p50: number | null; p95: number | null; p99: number | null } {
  const at = (percent: number): number | null => (histogram.totalCount === 0 ? null : histogram.getValueAtPercentile(percent));
  return { p50: at(50), p95: at(95), p99: at(99) };
}

export function emptyTally(devices = 0): Tally {
  return {
    devices,
    booted: 0,
    on: 0,
    online: 0,
    halted: 0,
    retries: 0,
    throttled: 0,
    telemetry: 0,
    hubs: {},
    bootMs: {},
    seconds: {},
    reasons: {},
    scenarios: {},
    cpuMs: 0,
    memoryKb: 0,
  };
}

/** The tallies of parts in one. Pure. */
export function mergeTallies(tallies: Iterable<Tally>): Tally {
  const merged = emptyTally();
  for (const tally of tallies) {
    for (const key of ['devices', 'booted', 'on', 'online', 'halted', 'retries', 'throttled', 'telemetry', 'cpuMs', 'memoryKb'] as const)
      merged[key] += tally[key];
    for (const [hub, count] of Object.entries(tally.hubs)) merged.hubs[hub] = (merged.hubs[hub] ?? 0) + count;
    for (const [kind, encoded] of Object.entries(tally.bootMs)) {
      const before = merged.bootMs[kind];
      merged.bootMs[kind] = before === undefined ? encoded : sumOf(before, encoded);
    }
    for (const [at, second] of Object.entries(tally.seconds)) {
      const sum = secondOf(merged, Number(at));
      for (const key of Object.keys(second) as (keyof SecondTally)[]) sum[key] += second[key];
    }
    for (const [reason, { count, example }] of Object.entries(tally.reasons)) {
      const before = merged.reasons[reason];
      merged.reasons[reason] = { count: (before?.count ?? 0) + count, example: before?.example ?? example };
    }
    for (const [name, scenario] of Object.entries(tally.scenarios)) addScenario(merged.scenarios, name, scenario);
  }
  return merged;
}

/** The tally of one second, made when it is the first that happened in it. */
export function secondOf({ seconds }: Tally, at: number): SecondTally {
  const known = seconds[at];
  if (known !== undefined) return known;
  const made: SecondTally = { online: 0, boots: 0, retries: 0, throttled: 0, failures: 0 };
  seconds[at] = made;
  return made;
}

/** Counts devices under a scenario among those counted before. */
export function addScenario(all: Record<string, ScenarioTally>, name: string, { reasons, ...counts }: ScenarioTally): void {
  const sum = all[name] ?? { devices: 0, running: 0, elsewhere: 0, failed: 0, dpsCalls: 0, dpsCallsOff: 0, reasons: {} };
  all[name] = sum;
  for (const key of Object.keys(counts) as (keyof typeof counts)[]) sum[key] += counts[key];
  for (const [reason, count] of Object.entries(reasons)) sum.reasons[reason] = (sum.reasons[reason] ?? 0) + count;
}

function sumOf(a: string, b: string): string {
  const sum = emptyHistogram();
  sum.add(decodeFromCompressedBase64(a));
  sum.add(decodeFromCompressedBase64(b));
  return encodeHistogram(sum);
}
