import type { Scenario } from './scenario.js';
import type { Troubles } from './troubles.js';

/** Whether the faults of a day are over and the device is where it stays: where the scenario says, or where nothing helps it any more. */
export function hasEnded({ expect }: Scenario, state: string, troubles: Troubles): boolean {
  return troubles.over && (state === expect.state || state === 'halted');
}

/** What is not as the scenario says of where the device ends; empty when all is. */
export function endProblems({ expect }: Scenario, state: string, { over }: Troubles): string[] {
  return [
    ...(state === expect.state ? [] : [`the device ended in ${state}, not in ${expect.state}`]),
    ...(over ? [] : ['some faults have not come, or are not over']),
  ];
}

/** How often DPS may be asked on such a day. */
export function dpsCallRange({ expect: { dpsCalls } }: Scenario): readonly [least: number, most: number] {
  return typeof dpsCalls === 'number' ? [dpsCalls, dpsCalls] : dpsCalls;
}
