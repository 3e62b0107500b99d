import type { EventEmitter } from 'node:events';
import type { TLSSocket } from 'node:tls';
import type { JsonObject } from '@zerotouch/azure-wire/twin';
import type { Clock } from '@zerotouch/foundation/clock';
import type { AuthenticationProvider } from 'azure-iot-common';
import type { Client } from 'azure-iot-device';
import type { Failure } from '../boot/ports.js';
import type { Dialled } from './dial.js';

/** A twin reply, as the SDK is about to read it. */
export interface TwinReply {
  readonly status: number;
  readonly body: unknown;
}

/** What a line tells its session. */
export interface HubLineWatch {
  /** The connection is gone. */
  readonly onClose: () => void;
  /** The session cannot go on. */
  readonly fail: (failure: Failure) => void;
  /** The reply that the SDK reads until `undefined` is told: its status is more exact than what the SDK makes of it. */
  readonly reading: (reply: TwinReply | undefined) => void;
}

/** One of the SDK's transports of the device client, as far as it is called here. */
export interface SdkDeviceTransport extends EventEmitter {
  getTwin(done: (error: Error | undefined) => void): void;
  updateTwinReportedProperties(patch: JsonObject, done: (error: Error | undefined) => void): void;
  enableTwinDesiredPropertiesUpdates(done: (error: Error | undefined) => void): void;
}

/** The SDK's way to one hub, over a connection that was dialled for it. */
export interface HubLine {
  readonly transport: SdkDeviceTransport & ConstructorParameters<typeof Client>[0];
  /** Whether a sign-in error may be a drop: MQTT has one word for both. */
  readonly ambiguous: boolean;
  networkError(): unknown;
  /** Whether a token is renewed on the connection that stands (AMQP), or takes a new one (MQTT). */
  readonly renewsInPlace: boolean;
  /** Signs in with a new token, before the old one ends. Never rejects; a failure leaves the session as it was, or ends it. */
  renew(token: string, signal: AbortSignal): Promise<Failure | undefined>;
  hangUp(clock: Clock): Promise<void>;
  cut(): Promise<void>;
}

/** @param redial opens another connection like the first */
export type OpenHubLine = (
  socket: TLSSocket,
  provider: AuthenticationProvider,
  watch: HubLineWatch,
  redial: (signal: AbortSignal) => Promise<Dialled>,
) => HubLine;
