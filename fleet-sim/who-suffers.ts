import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import type { Scenario } from '@zerotouch/firmware-sim/scenario/scenario';
import { FleetFault } from './faults.js';

/** A scenario and which devices of a fleet live through it. */
export interface FleetScenario {
  readonly scenario: Scenario;
  /** Of the devices that it may have, 0 to 1. */
  readonly share: number;
  /** Names of images without their ending, `*` for anything: it may have these only. */
  readonly devices?: readonly string[] | undefined;
  /** It may have the devices of this region only. */
  readonly region?: string | undefined;
}

/** A device that can be chosen. */
export interface Candidate {
  readonly image: string;
  readonly region?: string | undefined;
}

/**
 * Which scenario each device lives through, by its number in the list; `undefined`: none. Which devices a share falls on hangs on the seed and the
 * names of the images alone: they are the same in every run, on every machine, however the fleet is cut. Each lives through one at most;
 * earlier scenarios choose first. A share is rounded, to one device at least. Pure.
 * @throws FleetFault SCENARIO_UNFIT when a scenario finds too few devices
 */
export function whoSuffers(scenarios: readonly FleetScenario[], devices: readonly Candidate[], seed: string): (number | undefined)[] {
  const chosen: (number | undefined)[] = devices.map(() => undefined);
  if (scenarios.length === 0) return chosen;
  const drawn = devices.map(({ image }, index) => ({ index, lot: lotOf(seed, nameOf(image)) })).sort((a, b) => (a.lot < b.lot ? -1 : 1));
  for (const [number, own] of scenarios.entries()) {
    const patterns = own.devices?.map(patternOf);
    const may = drawn.filter(({ index }) => {
      const { image = '', region } = devices[index] ?? {};
      return (own.region === undefined || own.region === region) && (patterns?.some((pattern) => pattern.test(nameOf(image))) ?? true);
    });
    const wanted = own.share === 0 ? 0 : Math.max(1, Math.round(may.length * own.share));
    const free = may.filter(({ index }) => chosen[index] === undefined);
    if (free.length < wanted) {
      throw new FleetFault('SCENARIO_UNFIT', `the scenario ${own.scenario.name} finds too few devices`, {
        where: `scenarios.${number}`,
        seen: may.length === 0 ? 'no device that it may have' : `${free.length} that live through none before it`,
        expected: `${wanted} of ${may.length}`,
        remedy: 'each device lives through one scenario: say smaller shares, or choose others',
      });
    }
    for (const { index } of free.slice(0, wanted)) chosen[index] = number;
  }
  return chosen;
}

function nameOf(image: string): string {
  return basename(image, '.bin');
}

function lotOf(seed: string, name: string): string {
  return createHash('sha256').update(`${seed}\n${name}`).digest('hex');
}

function patternOf(text: string): RegExp {
  return new RegExp(`^${text.split('*').map(escaped).join('.*')}$`);
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
