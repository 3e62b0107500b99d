import { dpsCallRange } from '@zerotouch/firmware-sim/scenario/verdict';
import type { FleetSpec } from '@zerotouch/fleet-sim/fleet';

/** What a fleet asks of a real cloud, before it asks. */
export interface FleetEstimate {
  readonly devices: number;
  /** Until the last device is powered on. */
  readonly seconds: number;
  /** What DPS bills: a registration a boot. */
  readonly registrations: number;
  /** What hubs bill: what a boot reads and reports, and telemetry, in parts of 4 KB. */
  readonly hubMessages: number;
  /** S1 units that take so many messages in a day. */
  readonly s1Units: number;
  /** At list prices, which change, and differ by region and contract: look yours up. */
  readonly usd: number;
}

/** Twin read, reported properties, desired properties confirmed. */
const MESSAGES_A_BOOT = 3;
/** Messages a day of one S1 unit. Source: Microsoft, "IoT Hub quotas and throttling". */
const S1_MESSAGES = 400_000;
/** List prices in US dollars, for the order of magnitude. */
const USD = { thousandRegistrations: 0.123, s1UnitDay: 25 / 30 };

/** What a fleet will ask of a real cloud and about what that costs. Pure. @param perSecond devices powered on a second */
export function estimateFleet({ afterwards, faults, scenarios }: FleetSpec, devices: number, perSecond: number): FleetEstimate {
  const again = scenarios.reduce((sum, { scenario, share }) => sum + share * (dpsCallRange(scenario)[1] - 1), 0);
  const boots = Math.ceil(devices * (1 + (faults.powerCuts?.share ?? 0) + Math.max(0, again)));
  const seconds = Math.ceil(devices / perSecond);
  const { stayForSeconds, telemetryEverySeconds } = afterwards;
  // The first device sends while the last is still to come.
  const sentByEach = telemetryEverySeconds === undefined ? 0 : (stayForSeconds + seconds / 2) / telemetryEverySeconds;
  const hubMessages = Math.ceil(boots * MESSAGES_A_BOOT + devices * sentByEach);
  const s1Units = Math.ceil(hubMessages / S1_MESSAGES);
  const usd = (boots / 1000) * USD.thousandRegistrations + s1Units * USD.s1UnitDay;
  return { devices, seconds, registrations: boots, hubMessages, s1Units, usd: Math.ceil(usd * 100) / 100 };
}

/** An estimate, for people. */
export function estimateWords({ devices, seconds, registrations, hubMessages, s1Units, usd }: FleetEstimate): string {
  return `${devices} devices in ${seconds} s; about ${registrations} registrations and ${hubMessages} hub messages (${s1Units} S1 unit${s1Units === 1 ? '' : 's'} for a day), about ${usd} US dollars at list prices`;
}
