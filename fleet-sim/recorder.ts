import type { Failure } from '@zerotouch/firmware-sim/boot/ports';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Histogram } from 'hdr-histogram-js';
import {
  addScenario,
  emptyHistogram,
  emptyTally,
  encodeHistogram,
  type ScenarioTally,
  type SecondTally,
  secondOf,
  type Tally,
} from './metrics.js';

/** Writes down what the devices of one process do. */
export class Recorder {
  readonly #clock: Clock;
  readonly #startedAt: number;
  readonly #tally: Tally;
  readonly #histograms = new Map<string, Histogram>();

  /** @param startedAt of the fleet, milliseconds since 1970: all of its processes count their seconds from there */
  constructor(clock: Clock, startedAt: number, devices: number) {
    this.#clock = clock;
    this.#startedAt = startedAt;
    this.#tally = emptyTally(devices);
  }

  /** A device has booted for the first time. @param kind attestation, client and transport */
  booted(kind: string, hub: string, ms: number): void {
    this.#tally.booted += 1;
    this.#tally.hubs[hub] = (this.#tally.hubs[hub] ?? 0) + 1;
    const histogram = this.#histograms.get(kind) ?? emptyHistogram();
    this.#histograms.set(kind, histogram);
    histogram.recordValue(Math.max(1, Math.round(ms)));
    this.#second.boots += 1;
  }

  power(change: 1 | -1): void {
    this.#tally.on += change;
  }

  online(change: 1 | -1): void {
    this.#tally.online += change;
    this.#second.online += change;
  }

  halted(during: string, detail: string, scenario?: string): void {
    this.#tally.halted += 1;
    this.#reason(`halted when ${during}${within(scenario)}`, detail);
  }

  retried(): void {
    this.#tally.retries += 1;
    this.#second.retries += 1;
  }

  /** @param scenario that the device lives through: what it makes fail is told apart */
  failed(during: string, { outcome, code, detail }: Failure, scenario?: string): void {
    this.#second.failures += 1;
    if (outcome === 'throttled') {
      this.#tally.throttled += 1;
      this.#second.throttled += 1;
    }
    this.#reason(`${outcome}${code === undefined ? '' : ` ${code}`} when ${during}${within(scenario)}`, detail);
  }

  sent(): void {
    this.#tally.telemetry += 1;
  }

  /**
   * Everything so far.
   * @param cost CPU milliseconds and kilobytes of memory taken since the start
   * @param days the bad days that devices live through
   */
  tally(cost: { cpuMs: number; memoryKb: number }, days: Iterable<{ scenario: { name: string }; tally: ScenarioTally }> = []): Tally {
    const scenarios: Tally['scenarios'] = {};
    for (const { scenario, tally } of days) addScenario(scenarios, scenario.name, tally);
    const bootMs = Object.fromEntries([...this.#histograms].map(([kind, histogram]) => [kind, encodeHistogram(histogram)]));
    return { ...this.#tally, ...cost, bootMs, scenarios };
  }

  get #second(): SecondTally {
    return secondOf(this.#tally, Math.max(0, Math.floor((this.#clock.now() - this.#startedAt) / 1000)));
  }

  #reason(kind: string, example: string): void {
    const known = this.#tally.reasons[kind];
    if (known !== undefined) known.count += 1;
    else this.#tally.reasons[kind] = { count: 1, example };
  }
}

function within(scenario: string | undefined): string {
  return scenario === undefined ? '' : ` (scenario ${scenario})`;
}
