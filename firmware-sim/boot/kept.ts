import type { JsonObject } from '@zerotouch/azure-wire/twin';

/** Where DPS sent the device. */
export interface Assignment {
  /** Host name. */
  readonly hub: string;
  readonly deviceId: string;
}

/** A configuration that was applied: the desired properties without the service's own members, and their version. */
export interface AppliedConfig {
  readonly version: number;
  readonly values: JsonObject;
}

/** How often the device has been powered on, and how often DPS has assigned it to a hub. */
export interface Counters {
  readonly boots: number;
  readonly registrations: number;
}
