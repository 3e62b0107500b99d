import { decodeFromCompressedBase64, type Histogram, type JsHistogram } from 'hdr-histogram-js';
import type { FleetResult, ScenarioFigures } from '../fleet.js';
import { percentiles } from '../metrics.js';
import type { FleetSpec } from '../spec.js';
import { remedyFor } from './remedies.js';

/** Everything that the page of a report shows, and its JSON twin. */
export interface FleetReport {
  readonly version: 1;
  readonly name: string;
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly figures: Omit<FleetResult, 'tally'>;
  /** Second by second from the start; `online` is how many are. */
  readonly seconds: readonly { at: number; online: number; boots: number; retries: number; throttled: number; failures: number }[];
  /** By attestation, client and transport. */
  readonly bootMs: Readonly<
    Record<
      string,
      { p50: number | null; p95: number | null; p99: number | null; count: number; buckets: readonly [ms: number, count: number][] }
    >
  >;
  /** What each hub got and what it should have, as shares; `demanded` null where nobody said. */
  readonly hubs: Readonly<Record<string, { devices: number; share: number; demanded: number | null }>>;
  /** Devices with a bad day, by scenario, `where` is where the scenario says that they end. */
  readonly scenarios: Readonly<
    Record<
      string,
      Omit<ScenarioFigures, 'reasons'> & { summary: string; where: string; reasons: readonly { reason: string; devices: number }[] }
    >
  >;
  readonly reasons: readonly { reason: string; count: number; example: string; remedy: string }[];
}

/** Widths of the histogram's bars: this many to the slowest. */
const BARS = 40;

/** The report of a fleet. Pure. @param at when it ran, milliseconds since 1970 */
export function fleetReport(spec: FleetSpec, { tally, ...figures }: FleetResult, at: number): FleetReport {
  const written = new Map(spec.scenarios.map(({ scenario }) => [scenario.name, scenario]));
  const scenarios = Object.fromEntries(
    Object.entries(figures.scenarios).map(([name, { reasons: counts, ...own }]) => {
      const { summary = '', expect: { state: where } = { state: 'running' } } = written.get(name) ?? {};
      const reasons = Object.entries(counts).map(([reason, devices]) => ({ reason, devices }));
      return [name, { ...own, summary, where, reasons: reasons.sort((a, b) => b.devices - a.devices) }];
    }),
  );
  const times = Object.keys(tally.seconds).map(Number);
  let online = 0;
  const seconds = Array.from({ length: Math.max(0, ...times) + 1 }, (_, second) => {
    const told = tally.seconds[second];
    online += told?.online ?? 0;
    const { boots = 0, retries = 0, throttled = 0, failures = 0 } = told ?? {};
    return { at: second, online, boots, retries, throttled, failures };
  });
  const bootMs = Object.fromEntries(
    Object.entries(tally.bootMs).map(([kind, encoded]) => {
      const histogram = decodeFromCompressedBase64(encoded);
      const width = Math.max(1, Math.ceil(histogram.maxValue / BARS));
      const counts = new Map<number, number>();
      for (const [value, count] of recorded(histogram)) {
        const end = Math.ceil(value / width) * width;
        counts.set(end, (counts.get(end) ?? 0) + count);
      }
      return [kind, { ...percentiles(histogram), count: histogram.totalCount, buckets: [...counts] }];
    }),
  );
  const demanded = spec.hubShares ?? {};
  const sum = Object.values(demanded).reduce((total, share) => total + share, 0);
  const names = [...new Set([...Object.keys(tally.hubs), ...Object.keys(demanded)])].sort();
  const hubs = Object.fromEntries(
    names.map((host) => {
      const devices = tally.hubs[host] ?? 0;
      const share = demanded[host];
      return [
        host,
        { devices, share: tally.booted === 0 ? 0 : devices / tally.booted, demanded: share === undefined ? null : share / sum },
      ];
    }),
  );
  const reasons = Object.entries(tally.reasons)
    .map(([reason, { count, example }]) => ({ reason, count, example, remedy: remedyFor(reason) }))
    .sort((a, b) => b.count - a.count);
  return { version: 1, name: spec.name ?? 'fleet', at: new Date(at).toISOString(), figures, seconds, bootMs, hubs, scenarios, reasons };
}

/** The values of a histogram that occurred, and how often, smallest first. */
function* recorded(histogram: Histogram): Generator<[value: number, count: number]> {
  const counts = histogram as JsHistogram;
  for (let index = 0; index < counts.countsArrayLength; index++) {
    const count = counts.getCountAtIndex(index);
    if (count > 0) yield [counts.valueFromIndex(index), count];
  }
}
