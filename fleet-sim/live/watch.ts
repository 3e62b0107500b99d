import type { FleetControls } from '../fleet.js';
import { emptyTally, percentiles, type Tally, wholeHistogram } from '../metrics.js';
import type { LiveOrder, LiveSecond, LiveTick } from './shapes.js';

/** Seconds that are drawn. */
const SPAN = 180;
/** Seconds over which boots a second are averaged. */
const RATE_OVER = 5;
const MOST_REASONS = 6;

/** What is known of a fleet that runs, and the way to steer it: behind every live view. */
export class FleetWatch {
  readonly #name: string;
  readonly #regions: readonly string[];
  readonly #now: () => number;
  #startedAt: number | undefined;
  #tally: Tally = emptyTally();
  #controls: FleetControls | undefined;
  #paused = false;

  /** @param now milliseconds of a clock that never goes back */
  constructor({ name, regions, now }: { name: string; regions: readonly string[]; now: () => number }) {
    this.#name = name;
    this.#regions = regions;
    this.#now = now;
  }

  /** Takes what the fleet tells of itself. */
  readonly take = (tally: Tally): void => {
    this.#tally = tally;
  };

  /** Takes the way to steer it, as soon as there is one. */
  readonly steerBy = (controls: FleetControls): void => {
    this.#controls = controls;
    this.#startedAt = this.#now();
  };

  get tally(): Tally {
    return this.#tally;
  }

  get tick(): LiveTick {
    const { devices, booted, on, online, halted, retries, throttled, telemetry, hubs } = this.#tally;
    const elapsedSeconds = this.#startedAt === undefined ? 0 : (this.#now() - this.#startedAt) / 1000;
    const seconds = secondsOf(this.#tally, elapsedSeconds);
    const recent = seconds.slice(-RATE_OVER);
    return {
      name: this.#name,
      elapsedSeconds,
      devices,
      states: { off: Math.max(0, devices - on - halted), booting: Math.max(0, on - online), online, halted },
      booted,
      bootsPerSecond: recent.length === 0 ? 0 : recent.reduce((sum, { boots }) => sum + boots, 0) / recent.length,
      retries,
      throttled,
      telemetry,
      bootMs: percentiles(wholeHistogram(this.#tally)),
      hubs,
      reasons: reasonsOf(this.#tally),
      seconds,
      regions: this.#regions,
      isPaused: this.#paused,
    };
  }

  /** Does what was asked. @returns whether the fleet can be steered yet */
  steer(order: LiveOrder): boolean {
    const controls = this.#controls;
    if (controls === undefined) return false;
    switch (order.order) {
      case 'pause':
      case 'resume':
        this.#paused = order.order === 'pause';
        controls[order.order]();
        break;
      case 'cut':
        controls.cutPower(order.share, order.seconds);
        break;
      case 'region':
        controls.bringDown(order.region, order.seconds);
    }
    return true;
  }
}

function secondsOf({ seconds }: Tally, elapsedSeconds: number): LiveSecond[] {
  const last = Math.floor(elapsedSeconds) - 1;
  const drawn: LiveSecond[] = [];
  let online = 0;
  for (let at = 0; at <= last; at++) {
    const second = seconds[at] ?? { online: 0, boots: 0, retries: 0, throttled: 0, failures: 0 };
    online += second.online;
    if (at > last - SPAN) drawn.push({ ...second, at, online });
  }
  return drawn;
}

function reasonsOf({ reasons }: Tally): LiveTick['reasons'] {
  return Object.entries(reasons)
    .map(([kind, { count, example }]) => ({ kind, count, example }))
    .sort((a, b) => b.count - a.count)
    .slice(0, MOST_REASONS);
}
