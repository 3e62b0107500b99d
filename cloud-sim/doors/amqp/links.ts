import type { ServiceErrorEntry } from '@zerotouch/azure-wire/errors';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Logger } from 'pino';
import type { Delivery, Message, Receiver, Sender } from 'rhea';
import type { PresentedCertificate } from '../../credentials.js';
import type { Transport } from '../../reasons.js';
import type { SaslIdentity } from './sasl.js';

/** What a connection offers to whoever is behind its links. */
export interface ConnectionMeans {
  readonly transport: Transport;
  /** The address of ours that was reached. */
  readonly localAddress: string | undefined;
  /** What was proved or claimed by SASL. */
  readonly identity: SaslIdentity;
  readonly clock: Clock;
  readonly log: Logger;
  /** The host that the client says it opens, by AMQP or by TLS. */
  hostname(): string | undefined;
  certificate(): PresentedCertificate | undefined;
  /** Does one task after the other, in the order they came: later ones must see what earlier ones did. */
  enqueue(task: () => Promise<void>): void;
  /** Somebody signed in. @param mayBeQuiet for as long as they like: they wait to be told something */
  letIn(mayBeQuiet: boolean): void;
  end(cause: string): void;
}

/** Why somebody is not let in, or a link is not served. */
export interface Refusal {
  entry: ServiceErrorEntry;
  text: string;
}

/** A message that came on a link of ours. */
export interface Incoming {
  message: Message;
  delivery: Delivery;
  receiver: Receiver;
}

/** How a client is done with a message of ours. */
export type Outcome = 'accepted' | 'rejected' | 'released';

/** Whoever is behind the links of a connection. */
export interface LinkHandler {
  /** A link came; it is open. */
  attach(link: Sender | Receiver, address: string): void;
  message(incoming: Incoming): void;
  settled?(delivery: Delivery, outcome: Outcome): void;
  /** The client takes (more) messages on a link. */
  flow?(sender: Sender): void;
  detached?(link: Sender | Receiver): void;
  /** How many devices are signed in on the connection. */
  readonly devices?: number;
  /** Acts on deadlines. */
  sweep?(): void;
  closed?(cause: string): void;
}

/** The path of an address: clients write it alone, behind a slash, or behind `amqps://{host}/`, as Azure's in C does. */
export function pathOf(address: string): string {
  return address.replace(/^amqps?:\/\/[^/]*/i, '').replace(/^\//, '');
}

/** Messages that a client may send ahead of their answers. */
export const CREDIT = 10;
