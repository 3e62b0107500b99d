import type { IConnectPacket } from 'mqtt-packet';
import type { Channel } from '../channel.js';

/** A message a device published. */
export interface Published {
  topic: string;
  payload: Buffer;
  retain: boolean;
  /** It was published for a device whose connection ended without DISCONNECT. */
  will?: true;
}

/** A message for the device. */
export interface Outgoing {
  topic: string;
  payload: string | Buffer;
  /** Hears that the device has it: the message then goes out with QoS 1, else with QoS 0. */
  acked?: () => void;
}

/** What MQTT does with a publish: messages to send after the acknowledgement, or the reason to close the connection. */
export type PublishOutcome = { replies: readonly Outgoing[] } | { close: string };

/** The side of a connection that a session speaks to. */
export interface Outlet {
  send(message: Outgoing): void;
  end(cause: string): void;
}

/** A service behind MQTT, for one connection that it let in. */
export interface MqttSession {
  /** Whether something was kept of an earlier session: CONNACK says so. */
  readonly present: boolean;
  /** The connection is open: CONNACK is on its way. */
  opened(outlet: Outlet): void;
  /**
   * @param qos 0 or 1
   * @returns whether the filter is granted
   */
  subscribe(filter: string, qos: 0 | 1): boolean;
  unsubscribe(filter: string): void;
  publish(message: Published): Promise<PublishOutcome>;
  closed(cause: string): void;
}

/** What a service says to a CONNECT. `expiresAt`: milliseconds since 1970. */
export type Reception =
  | { session: MqttSession; expiresAt?: number; longestSilenceSeconds?: number }
  | { returnCode: 1 | 2 | 3 | 4 | 5; cause: string };

/** Hears a CONNECT. */
export type Receptionist = (connect: IConnectPacket, channel: Channel) => Promise<Reception>;
