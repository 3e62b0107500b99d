import type { BurnFigures } from '@zerotouch/fleet-sim/burning';
import type { FleetResult, ScenarioFigures } from '@zerotouch/fleet-sim/fleet';

/** How a fleet ended, for people. */
export function fleetWords(result: FleetResult): string {
  const { devices, running, failed, bootMs, hubs, retries, throttled, cpuMsPerBoot, kbPerDevice, seconds, processes, tally } = result;
  const reasons = Object.entries(tally.reasons)
    .sort(([, a], [, b]) => b.count - a.count)
    .slice(0, 5)
    .map(([reason, { count, example }]) => `  ${count} x ${reason}: ${example}`);
  const days = Object.entries(result.scenarios).map(([name, own]) => dayWords(name, own));
  const elsewhere = devices - running - failed;
  const costs = [
    ...(cpuMsPerBoot === null ? [] : [`${cpuMsPerBoot} CPU-ms a boot`]),
    ...(kbPerDevice === null ? [] : [`${kbPerDevice} KB a device`]),
  ];
  return [
    `${running} of ${devices} running${elsewhere === 0 ? '' : `, ${elsewhere} where their scenario ends`}${failed === 0 ? '' : `, ${failed} failed`}, in ${seconds} s over ${processes} process${processes === 1 ? '' : 'es'}.`,
    ...(bootMs.p50 === null ? [] : [`  boot ms: ${bootMs.p50} median, ${bootMs.p95} of 95 in 100, ${bootMs.p99} of 99 in 100`]),
    ...Object.entries(hubs).map(([hub, count]) => `  ${hub}: ${count}`),
    `  ${retries} retries, ${throttled} throttled`,
    ...(costs.length === 0 ? [] : [`  ${costs.join(' and ')} on this side`]),
    ...(result.burn === undefined ? [] : [burnWords(result.burn)]),
    ...days,
    ...reasons,
  ].join('\n');
}

function burnWords({ burnt, kept, failed, out }: BurnFigures): string {
  return `  ${burnt} burnt${kept === 0 ? '' : `, ${kept} before`}${failed === 0 ? '' : `, ${failed} failed`}: ${out}`;
}

function dayWords(name: string, { devices, running, elsewhere, failed, dpsCallsOff, reasons }: ScenarioFigures): string {
  const why = Object.entries(reasons).sort(([, a], [, b]) => b - a)[0];
  const counts = [
    `${running} of ${devices} running`,
    ...(elsewhere === 0 ? [] : [`${elsewhere} elsewhere, as it says`]),
    ...(failed === 0 ? [] : [`${failed} failed${why === undefined ? '' : ` (${why[0]})`}`]),
    ...(dpsCallsOff === 0 ? [] : [`${dpsCallsOff} asked DPS more or less often than it says`]),
  ];
  return `  scenario ${name}: ${counts.join(', ')}`;
}
