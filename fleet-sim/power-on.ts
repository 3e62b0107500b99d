import type { PowerOnProfile } from './spec.js';

/** When the power of a device changes, milliseconds since the start of the fleet: on, off, on, ... */
export type Switches = readonly number[];

/** A region and how its clock differs. */
export interface Region {
  readonly name: string;
  readonly share: number;
  readonly utcOffsetHours: number;
}

const HOUR = 1 / 24;

/**
 * When each device of a fleet is switched on and off. Pure. For `paced` all are due at once, and who starts them keeps the pace.
 * @param regions of each device, by its number; `undefined` where there are none
 * @param unit a random number in [0, 1)
 */
export function powerSwitches(profile: PowerOnProfile, regions: readonly (Region | undefined)[], unit: () => number): Switches[] {
  const count = regions.length;
  switch (profile.profile) {
    case 'at-once':
    case 'paced':
      return regions.map(() => [0]);
    case 'ramp':
      // The number that is on grows with the square of the time: a rate that grows steadily.
      return regions.map((_, index) => [Math.sqrt((index + 1) / count) * profile.overSeconds * 1000]);
    case 'staggered':
      return regions.map((_, index) => [(index + unit()) * (1000 / profile.perSecond)]);
    case 'poisson': {
      let at = 0;
      return regions.map(() => {
        at += (-Math.log(1 - unit()) * 1000) / profile.perSecond;
        return [at];
      });
    }
    case 'outage': {
      const { region, afterSeconds, lastsSeconds } = profile;
      const lost = afterSeconds * 1000;
      return regions.map((own) => (own?.name === region ? [0, lost, lost + lastsSeconds * 1000] : [0]));
    }
    case 'business-hours': {
      const day = profile.dayLastsSeconds * 1000;
      const opening = (profile.closes - profile.opens + 24) % 24 || 24;
      return regions.map((own) => {
        const opens = (((profile.opens - (own?.utcOffsetHours ?? 0)) % 24) + 24) % 24;
        // People come within the first hour, most of them at its beginning, and leave within the last.
        const on = (opens + unit() ** 2) * HOUR * day;
        const off = (opens + Math.max(1, opening - unit() ** 2)) * HOUR * day;
        return [on, off];
      });
    }
  }
}

/** Gives each of `count` devices one of the choices, in proportion to their shares, the same way each time. */
export function spread<T extends { readonly share: number }>(choices: readonly T[], count: number): T[] {
  const total = choices.reduce((sum, choice) => sum + choice.share, 0);
  return Array.from({ length: count }, (_, index) => {
    // Multiples of the golden ratio fill the unit interval evenly, however many of them there are.
    let rest = ((index * 0.6180339887498949) % 1) * total;
    for (const choice of choices) {
      if (rest < choice.share) return choice;
      rest -= choice.share;
    }
    return choices[choices.length - 1] as T;
  });
}
