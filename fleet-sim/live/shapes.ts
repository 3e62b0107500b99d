import type { SecondTally } from '../metrics.js';

/** One second of a fleet, as it is drawn. */
export interface LiveSecond extends Omit<SecondTally, 'online'> {
  /** Seconds since the fleet began. */
  readonly at: number;
  /** Devices online at its end. */
  readonly online: number;
}

/** A fleet at one moment. JSON: what the live view streams. */
export interface LiveTick {
  readonly name: string;
  readonly elapsedSeconds: number;
  readonly devices: number;
  /** Devices by state; together they are all of the fleet. */
  readonly states: { readonly off: number; readonly booting: number; readonly online: number; readonly halted: number };
  /** Devices that have been running. */
  readonly booted: number;
  readonly bootsPerSecond: number;
  readonly retries: number;
  readonly throttled: number;
  readonly telemetry: number;
  readonly bootMs: { readonly p50: number | null; readonly p95: number | null; readonly p99: number | null };
  readonly hubs: Readonly<Record<string, number>>;
  /** The commonest failures: kind, how often, what one of them said. */
  readonly reasons: readonly { readonly kind: string; readonly count: number; readonly example: string }[];
  /** The last seconds, oldest first; the present one is not over and left out. */
  readonly seconds: readonly LiveSecond[];
  readonly regions: readonly string[];
  readonly isPaused: boolean;
}

/** What the page may ask of a fleet. */
export type LiveOrder =
  | { readonly order: 'pause' | 'resume' }
  | { readonly order: 'cut'; readonly share: number; readonly seconds: number }
  | { readonly order: 'region'; readonly region: string; readonly seconds: number };
