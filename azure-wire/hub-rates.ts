/** Tiers that a hub is bought in. */
export type HubTier = 'F1' | 'B1' | 'B2' | 'B3' | 'S1' | 'S2' | 'S3';

/** What a hub counts by the time it takes. */
export type HubRate =
  | 'registry'
  | 'connections'
  | 'telemetry'
  | 'messagesSent'
  | 'messagesReceived'
  | 'methodBytes'
  | 'queries'
  | 'twinReads'
  | 'twinUpdates'
  | 'configurations';

interface Rates {
  /** A second and unit. */
  each: number;
  /** A second at least, however many units there are. */
  least?: number;
}

const MINUTE = 60;
const KB = 1024;

const S1: Readonly<Record<HubRate, Rates>> = {
  registry: { each: 100 / MINUTE },
  connections: { each: 12, least: 100 },
  telemetry: { each: 12, least: 100 },
  messagesSent: { each: 100 / MINUTE },
  messagesReceived: { each: 1000 / MINUTE },
  methodBytes: { each: 160 * KB },
  queries: { each: 20 / MINUTE },
  twinReads: { each: 0, least: 100 },
  twinUpdates: { each: 0, least: 50 },
  configurations: { each: 20 / MINUTE },
};

const S2: typeof S1 = {
  ...S1,
  connections: { each: 120 },
  telemetry: { each: 120 },
  methodBytes: { each: 480 * KB },
  twinReads: { each: 10, least: 100 },
  twinUpdates: { each: 5, least: 50 },
};

const S3: typeof S1 = {
  ...S1,
  registry: { each: 5000 / MINUTE },
  connections: { each: 6000 },
  telemetry: { each: 6000 },
  messagesSent: { each: 5000 / MINUTE },
  messagesReceived: { each: 50_000 / MINUTE },
  methodBytes: { each: 24 * KB * KB },
  queries: { each: 1000 / MINUTE },
  twinReads: { each: 500 },
  twinUpdates: { each: 250 },
};

const TIERS: Readonly<Record<HubTier, typeof S1>> = { F1: S1, B1: S1, S1, B2: S2, S2, B3: S3, S3 };

/** Every tier there is. */
export const HUB_TIERS = Object.keys(TIERS) as readonly HubTier[];

/**
 * How much a second a hub takes. Source: azure-docs iot-hub-devguide-quotas-throttling, "Operation throttles".
 * @param units that were bought of the tier
 */
export function hubRate(rate: HubRate, tier: HubTier, units: number): number {
  const { each, least = 0 } = TIERS[tier][rate];
  return Math.max(each * units, least);
}
