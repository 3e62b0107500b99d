import type { RegistrationSubstatus } from '@zerotouch/azure-wire/registration';
import type { JsonObject } from '@zerotouch/azure-wire/twin';
import type { Attempt } from './reasons.js';

/** DPS assigned a device. */
export interface RegisteredEvent {
  registrationId: string;
  deviceId: string;
  /** Host name of the hub. */
  hub: string;
  substatus: RegistrationSubstatus;
  /** The enrolment that let it in. */
  enrolment: { kind: 'individual' | 'group'; id: string };
}

/** A device signed in to its hub. */
export interface ConnectedEvent {
  hub: string;
  deviceId: string;
  /** When it is a module of the device. */
  moduleId?: string;
  authentication: 'sas' | 'selfSigned' | 'certificateAuthority';
}

/** A signed-in device's connection ended. `cause` is one line for people. */
export interface DisconnectedEvent {
  hub: string;
  deviceId: string;
  /** When it is a module of the device. */
  moduleId?: string;
  cause: string;
}

/** A device-to-cloud message that the hub took. */
export interface TelemetryEvent {
  hub: string;
  deviceId: string;
  /** When it is a module of the device. */
  moduleId?: string;
  /** The message's body, bytes. */
  body: Buffer;
  /** Property bag, decoded; system properties keep their `$.` names. */
  properties: Record<string, string>;
}

/** A device changed its reported properties. */
export interface ReportedEvent {
  hub: string;
  deviceId: string;
  /** When it is a module of the device. */
  moduleId?: string;
  patch: JsonObject;
  /** `$version` of the reported section after the change. */
  version: number;
}

/** What a running cloud tells, by event name; each listener gets one plain object. */
export interface CloudEvents {
  registered: [RegisteredEvent];
  /** DPS or a hub said no; also for registrations that finished as failed. */
  refused: [Attempt];
  connected: [ConnectedEvent];
  disconnected: [DisconnectedEvent];
  telemetry: [TelemetryEvent];
  reported: [ReportedEvent];
}
