import { dirname, resolve } from 'node:path';
import { leastSeconds } from '@zerotouch/firmware-sim/scenario/duration';
import type { YamlFile } from '@zerotouch/foundation/yaml-file';
import { z } from 'zod';
import { FleetFault } from './faults.js';
import { readScenario } from './scenario-file.js';
import type { FleetScenario } from './who-suffers.js';

/** What a device may need beyond the time that its scenario takes at least, seconds. */
const RECOVERY_SECONDS = 600;

/** One entry of `scenarios` in a fleet spec, as it is written. */
export const fleetScenario = z.strictObject({
  scenario: z.string().min(1).describe('name of a scenario that is shipped (docs/guides/bad-days.md), or a file, relative to the spec'),
  share: z.number().gt(0).max(1).default(1).describe('of the devices that it may have; rounded, to one at least'),
  devices: z.array(z.string().min(1)).min(1).optional().describe('it may have these only: names of images without .bin, * for anything'),
  region: z.string().min(1).optional().describe('it may have the devices of this region only'),
});

/**
 * Reads the scenarios that a fleet spec names.
 * @throws Fault CONFIG_SYNTAX, BAD_CONFIG, or the system's of a file that cannot be read; FleetFault SCENARIO_UNFIT
 */
export function readFleetScenarios(
  entries: readonly z.infer<typeof fleetScenario>[],
  { fileName, locate, regions }: { fileName: string; locate: YamlFile['locate']; regions: readonly string[] },
): FleetScenario[] {
  const read = entries.map(({ scenario, ...rest }, index) => {
    if (rest.region !== undefined && !regions.includes(rest.region)) {
      throw unfit(
        locate(['scenarios', index, 'region']),
        'the region is not one of regions',
        rest.region,
        regions.join(', ') || 'regions in the spec',
      );
    }
    return {
      ...rest,
      scenario: readScenario(scenario, {
        where: locate(['scenarios', index, 'scenario']),
        pathOf: (path) => resolve(dirname(fileName), path),
      }),
    };
  });
  const texts = new Map<string, string>();
  for (const [index, { scenario }] of read.entries()) {
    const text = JSON.stringify(scenario);
    if ((texts.get(scenario.name) ?? text) !== text) {
      throw unfit(locate(['scenarios', index]), 'two different scenarios have one name', scenario.name, 'a name for each');
    }
    texts.set(scenario.name, text);
  }
  return read;
}

/**
 * Until when a fleet waits for its devices: a fleet lives in real time, and a bad day takes what it takes.
 * @param said in the spec, seconds
 * @throws FleetFault SCENARIO_UNFIT when that is shorter than a scenario lasts
 */
export function patienceFor(
  scenarios: readonly FleetScenario[],
  said: number | undefined,
  usual: number,
  locate: YamlFile['locate'],
): number {
  const lengths = scenarios.map(({ scenario }) => leastSeconds(scenario));
  const longest = Math.max(0, ...lengths);
  if (said === undefined) return longest === 0 ? usual : Math.max(usual, Math.ceil(longest) + RECOVERY_SECONDS);
  if (said > longest) return said;
  const index = lengths.indexOf(longest);
  throw unfit(
    locate(['scenarios', index]),
    `the scenario ${scenarios[index]?.scenario.name} cannot end before the fleet gives up: a fleet leaps over no wait`,
    `giveUpAfterSeconds: ${said}`,
    `more than ${Math.ceil(longest)}, or left out`,
    'or write a shorter day: zerotouch schema scenario',
  );
}

function unfit(where: string, summary: string, seen: string, expected: string, remedy?: string): FleetFault {
  return new FleetFault('SCENARIO_UNFIT', summary, { where, seen, expected, ...(remedy === undefined ? {} : { remedy }) });
}
