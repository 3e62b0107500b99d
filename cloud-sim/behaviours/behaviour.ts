import type { ServiceErrorEntry } from '@zerotouch/azure-wire/errors';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import type { DpsReply } from '../dps/dps.js';
import type { Opened } from '../hub/hub.js';
import type { Transport } from '../reasons.js';

/** What a device asks of DPS. */
export interface DpsCall {
  service: 'dps';
  kind: 'register' | 'operation' | 'look-up';
  registrationId: string;
  transport: Transport;
}

/** A device that signs in to a hub. */
export interface HubCall {
  service: 'hub';
  /** Of the hub. */
  host: string;
  deviceId: string;
  transport: Transport;
}

/** What a behaviour can do besides calling `next`. */
export interface Means {
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** Waits, at most until the cloud closes. */
  wait(ms: number): Promise<void>;
  /** Ends the device's connection without an answer. */
  drop(cause: string): never;
  /** Answers with an error of DPS; the attempt is kept like any other. @param retryAfter seconds */
  refuse(error: ServiceErrorEntry, cause: string, retryAfter?: number): Promise<DpsReply>;
}

/**
 * Something that a cloud does other than Azure on a good day: it stands between a device and the service, and answers itself, or calls `next`
 * for what the service (or the behaviour behind it) answers. Every member may be left out.
 */
export interface Behaviour {
  readonly name: string;
  /** Which calls it is about; left out: every one that it has a member for. */
  concerns?(call: DpsCall | HubCall): boolean;
  dps?(call: DpsCall, next: () => Promise<DpsReply>, means: Means): Promise<DpsReply>;
  hub?(call: HubCall, next: () => Promise<Opened>, means: Means): Promise<Opened>;
  /** The cloud's time instead of the right one; milliseconds since 1970. */
  now?(rightNow: number): number;
}

/** The end of a connection that a behaviour asked for. */
export class Dropped extends Error {
  constructor(cause: string) {
    super(cause);
    this.name = 'Dropped';
  }
}
