import type { RegistrationState } from '@zerotouch/azure-wire/registration';
import type { HubDevice, HubTwin } from '../api/hub-service.js';
import type { Attempt, Rule } from '../reasons.js';

/** What the web view's API says: plain JSON, the same for the page and for the server. No secret is in any of it. */
export interface Overview {
  idScope: string;
  /** Milliseconds since 1970, by the cloud's clock. */
  now: number;
  allocationPolicy: string;
  hubs: HubView[];
}

/** A hub on the map. */
export interface HubView extends HubCount {
  region: string;
  subscription: string;
  /** Latitude and longitude in degrees; `null` where nobody knows the region. */
  place: readonly [number, number] | null;
  /** How DPS spreads devices over it; `null` when it is not linked. */
  link: { allocationWeight: number; applyAllocationPolicy: boolean } | null;
}

/** How many devices a hub has. */
export interface HubCount {
  host: string;
  devices: number;
  connected: number;
}

/** What happens in a cloud, by the name of its event. */
export const EVENT_NAMES = ['registered', 'refused', 'connected', 'disconnected', 'reported', 'telemetry'] as const;
export type EventName = (typeof EVENT_NAMES)[number];

/** How often each event happened. */
export type EventCounts = Record<EventName, number>;

/** One event, as people read it. */
export interface Line {
  /** Rises by one from line to line. */
  seq: number;
  /** Milliseconds since 1970. */
  at: number;
  event: EventName;
  /** Registration id or device id. */
  id: string;
  /** Host name of who answered, or of the device's hub. */
  host: string;
  text: string;
  /** Of a refusal. */
  rule?: Rule;
  /** What to do about a refusal. */
  remedy?: string;
}

/** One second of the cloud's life. */
export interface Second extends EventCounts {
  /** Seconds since 1970. */
  second: number;
}

/** Devices that failed last for the same rule. */
export interface FailureGroup {
  rule: Rule;
  devices: number;
  /** What the rule means, and what to do about it in general. */
  means: string;
  remedy: string;
}

/** What the stream sends, again and again; the first one holds all that is kept, the others what is new. */
export interface Tick {
  now: number;
  /** Since the cloud was ready. */
  counts: EventCounts;
  hubs: HubCount[];
  failures: { devices: number; groups: FailureGroup[] };
  /** Seconds that changed, oldest first. */
  seconds: Second[];
  /** The latest events, oldest first; when much happens, some are left out. */
  lines: Line[];
}

/** A device that was refused last, and nothing since. */
export interface FailingDevice {
  id: string;
  /** Refusals since it last got through, or since it was first seen. */
  refusals: number;
  attempt: AttemptView;
}

/** An attempt with what its rule means. */
export interface AttemptView extends Attempt {
  means: string;
}

/** Everything about one id. */
export interface DeviceView {
  id: string;
  registration: RegistrationView | null;
  /** Hubs that have a device of this id; usually one. */
  homes: { host: string; device: HubDevice; twin: HubTwin }[];
  /** Oldest first. */
  attempts: AttemptView[];
}

/** A registration without what DPS keeps for the device alone. */
export type RegistrationView = Pick<
  RegistrationState,
  | 'registrationId'
  | 'status'
  | 'substatus'
  | 'assignedHub'
  | 'deviceId'
  | 'createdDateTimeUtc'
  | 'lastUpdatedDateTimeUtc'
  | 'errorCode'
  | 'errorMessage'
> & { enrolmentGroup?: string };

/** An enrolment without its keys. */
export interface EnrolmentView {
  kind: 'group' | 'individual';
  /** Enrolment group id, or registration id. */
  id: string;
  attestation: 'x509' | 'symmetricKey' | 'tpm';
  enabled: boolean;
  /** `null`: the policy of the whole DPS. */
  allocationPolicy: string | null;
  /** Hubs it is bound to; empty: all that are linked. */
  iotHubs: string[];
  iotEdge: boolean;
  lastUpdatedDateTimeUtc: string | null;
  initialTwin: object | null;
}

/** What went wrong with a request, as a person reads it. */
export interface Problem {
  code: string;
  message: string;
}
