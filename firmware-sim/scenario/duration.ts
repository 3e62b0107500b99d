import { defaultTimeouts } from '../boot/driver-ports.js';
import { GRACE_MS } from '../boot/operations.js';
import { defaultRetryPolicy } from '../boot/retry.js';
import type { Scenario, ScenarioFault } from './scenario.js';

/** How long a day lasts at least where its waits are not leapt over, seconds: by its faults, and by what a device waits for them. Pure. */
export function leastSeconds({ faults }: Scenario): number {
  const byTime = Math.max(0, ...faults.map(endsAfter));
  const byWaits = faults.reduce((sum, fault) => sum + waits(fault), 0);
  return Math.max(byTime, byWaits);
}

/** When a fault is over at the earliest, seconds. */
function endsAfter(fault: ScenarioFault): number {
  const begins = typeof fault.when === 'object' && 'afterSeconds' in fault.when ? fault.when.afterSeconds : 0;
  return begins + ('forSeconds' in fault ? (fault.forSeconds ?? 0) : 0);
}

/** How long a device waits for answers that come so many times, seconds. */
function waits(fault: ScenarioFault): number {
  if ((fault.fault !== 'dps' && fault.fault !== 'hub') || fault.forSeconds !== undefined) return 0;
  const { registerMs, connectMs } = defaultTimeouts;
  const silence = (fault.fault === 'dps' ? registerMs : connectMs) / 1000;
  const each = {
    hangs: silence + GRACE_MS / 1000,
    'timed-out': silence,
    refused: fault.fault === 'dps' ? defaultRetryPolicy.refusalMs / 2000 : 0,
  }[fault.answer as string];
  return (fault.times ?? 1) * (each ?? fault.retryAfterSeconds ?? 0);
}
