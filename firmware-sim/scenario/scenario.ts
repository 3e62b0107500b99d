import type { FailureKind } from '../boot/ports.js';
import type { Command } from '../boot/power.js';

/** When a fault comes: as the device is switched on, when it enters a state (the n-th time, counted from 1), or after a while. */
export type Moment = 'start' | { readonly state: string; readonly nth?: number } | { readonly afterSeconds: number };

/** What a service answers instead of what it would: for so long, or so many times. */
export interface FalseAnswer {
  readonly answer: FailureKind | 'hangs';
  readonly retryAfterSeconds?: number;
  readonly times?: number;
  readonly forSeconds?: number;
}

/** Something that goes wrong. */
export type Trouble =
  /** Power goes so many flash words later, or in the middle of the next one; and comes back. */
  | { readonly fault: 'power-cut'; readonly afterWords: number; readonly inside?: boolean }
  /** The program dies whenever the moment comes, so many times (once unless given); the device is booted again. */
  | { readonly fault: 'crash'; readonly times?: number }
  | ({ readonly fault: 'dps' } & FalseAnswer)
  | ({ readonly fault: 'hub' } & FalseAnswer)
  /** The connection to the hub is lost. */
  | { readonly fault: 'link-drop' }
  /** The wall clock shows another time (ISO 8601), or jumps. */
  | { readonly fault: 'clock'; readonly to?: string; readonly jumpSeconds?: number }
  /** The configuration cannot be applied, so many times (once unless given). */
  | { readonly fault: 'config-fails'; readonly times?: number }
  | { readonly fault: 'command'; readonly command: Exclude<Command, 'change-owner'> }
  /** A sector of the flash takes no more writes. */
  | { readonly fault: 'bad-sector'; readonly sector: number };

/** One line of a scenario. */
export type ScenarioFault = { readonly when: Moment } & Trouble;

/** A bad day: what goes wrong, and how the device must come out of it. */
export interface Scenario {
  readonly version: 1;
  readonly name: string;
  readonly summary: string;
  readonly faults: readonly ScenarioFault[];
  readonly expect: {
    /** Where the device ends: on its hub, or in a state from which it goes on by itself. */
    readonly state: 'running' | 'safe' | 'refused';
    /** How often DPS is asked, exactly, or at least and at most where the dice have a say. */
    readonly dpsCalls: number | readonly [least: number, most: number];
  };
}

/** How a day ended. */
export interface DayResult extends Record<string, unknown> {
  readonly scenario: string;
  readonly state: string;
  readonly hub: string | null;
  readonly deviceId: string | null;
  readonly dpsCalls: number;
  /** Times of power. */
  readonly boots: number;
  /** How long the day was, in the device's own time. */
  readonly seconds: number;
  readonly asExpected: boolean;
  /** What was not as expected. */
  readonly problems: readonly string[];
}
