import type { JsonObject } from '@zerotouch/azure-wire/twin';
import type { Credential } from './credential.js';

/** Where DPS sent the device. */
export interface Assignment {
  /** Host name. */
  readonly hub: string;
  readonly deviceId: string;
  /** What DPS issued for the hub, where it did: kept with the assignment, since each is void without the other. */
  readonly credential?: Credential;
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

/** Who the device belongs to since it was burnt: an ownership change, by command. */
export interface Owner {
  readonly idScope: string;
  /** Host name of DPS, where it is not the one that was burnt. */
  readonly endpoint?: string;
}

/** What an earlier boot learned about asking DPS. */
export interface CoolDown {
  /** Attempts in a row that led to no hub. */
  readonly attempts: number;
  /** Wall-clock time before which DPS is not to be asked, milliseconds since 1970; 0 when the device had no clock. */
  readonly until: number;
}
