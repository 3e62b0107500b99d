import { once } from 'node:events';
import { buildSas } from '@zerotouch/azure-wire/sas';
import type { Cloud } from '@zerotouch/cloud-sim/cloud';
import rhea, { type AmqpError, type Connection, type EventContext, type Message, type Receiver, type Sender, type Session } from 'rhea';
import type { Test } from 'tap';

/** Where a token of the tests ends: far from now, by whatever clock. */
const EXPIRY = 4_000_000_000;

/** A token for a device, signed with its key. */
export function deviceToken(host: string, deviceId: string, key: string, expiry = EXPIRY): string {
  return buildSas({ resource: `${host}/devices/${deviceId}`, key: Buffer.from(key, 'base64'), expiry });
}

/** A token of a shared access policy. */
export function policyToken(cloud: Cloud, host: string, keyName: string): string {
  const policy = cloud.hubsAdmin.policies(host).find(({ name }) => name === keyName);
  if (policy === undefined) throw new Error(`no policy ${keyName}`);
  return buildSas({ resource: host, key: Buffer.from(policy.primaryKey, 'base64'), expiry: EXPIRY, keyName });
}

/** The plain AMQP library, for what no official client does: SASL PLAIN, batches, addresses that nobody serves. */
export class RawAmqp {
  readonly #connection: Connection;
  /** Settles when the connection ends, and rejects then. */
  readonly #gone: Promise<never>;
  readonly #tokens = new Map<Session | undefined, Promise<[Sender, Receiver]>>();

  /** @param login user name and password of SASL PLAIN; a name alone signs in by ANONYMOUS */
  constructor(t: Test, cloud: Cloud, login: { username: string; password?: string }) {
    const container = rhea.create_container();
    for (const event of ['receiver_error', 'sender_error', 'connection_error', 'error']) container.on(event, () => {});
    this.#gone = new Promise((_, reject) => container.on('disconnected', () => reject(new Error('the connection ended'))));
    this.#gone.catch(() => {});
    this.#connection = container.connect({
      transport: 'tls',
      host: 'localhost',
      port: cloud.dps.amqpPort,
      ca: [cloud.ca],
      reconnect: false,
      ...login,
    } as Parameters<typeof container.connect>[0]);
    t.teardown(() => this.#connection.close());
  }

  /** A session of its own, for links that are not to be in that of all. */
  session(): Session {
    const session = this.#connection.create_session();
    session.begin();
    return session;
  }

  /** Rejects when the connection ends. */
  get gone(): Promise<never> {
    return this.#gone;
  }

  /** Puts a token on `$cbs`. @returns the status that it is answered with */
  async putToken(name: string, token: string, session?: Session): Promise<number> {
    const links = this.#tokens.get(session) ?? Promise.all([this.sender('$cbs', session), this.receiver('$cbs', undefined, session)]);
    this.#tokens.set(session, links);
    const [tokens, replies] = await links;
    const told = once(replies, 'message') as Promise<[EventContext]>;
    const properties = { operation: 'put-token', type: 'servicebus.windows.net:sastoken', name };
    await this.send(tokens, { message_id: '1', to: '$cbs', reply_to: 'cbs', application_properties: properties, body: token } as Message);
    const [{ message }] = await Promise.race([told, this.#gone]);
    return Number(message?.application_properties?.['status-code']);
  }

  /** A link to send on; rejects with the error that it was closed with. */
  sender(address: string, session: Pick<Session, 'open_sender'> = this.#connection): Promise<Sender> {
    const sender = session.open_sender({ target: { address } } as rhea.SenderOptions);
    return this.#opened(sender, 'sendable');
  }

  /** A link to receive on, once it is open. */
  receiver(address: string, target?: string, session: Pick<Session, 'open_receiver'> = this.#connection): Promise<Receiver> {
    const here = target === undefined ? {} : { target: { address: target } };
    const receiver = session.open_receiver({ source: { address }, ...here } as rhea.ReceiverOptions);
    return this.#opened(receiver, 'receiver_open');
  }

  /** Resolves with the error that a link is closed with. */
  closed(link: Sender | Receiver): Promise<AmqpError> {
    const kind = link.is_receiver() ? 'receiver' : 'sender';
    return Promise.race([
      new Promise<AmqpError>((resolve) => link.once(`${kind}_error`, () => resolve(link.error as AmqpError))),
      this.#gone,
    ]);
  }

  /** Sends a message, or one that is encoded already in a format of its own; rejects with the error of whoever does not take it. */
  async send(sender: Sender, message: Message | Buffer, format?: number): Promise<void> {
    const delivery = sender.send(message as Message, undefined, format);
    const settled = new Promise<void>((resolve, reject) => {
      const hear = ({ delivery: which }: EventContext): void => {
        if (which !== delivery) return;
        sender.removeListener('accepted', hear).removeListener('rejected', hear);
        const { error } = (delivery.remote_state ?? {}) as { error?: AmqpError };
        if (error === undefined || error === null) resolve();
        else reject(refused(error));
      };
      sender.on('accepted', hear).on('rejected', hear);
    });
    await Promise.race([settled, this.#gone]);
  }

  async #opened<L extends Sender | Receiver>(link: L, event: string): Promise<L> {
    const kind = link.is_receiver() ? 'receiver' : 'sender';
    const open = new Promise<L>((resolve, reject) => {
      link.once(event, () => resolve(link));
      link.once(`${kind}_error`, () => reject(refused(link.error as AmqpError)));
    });
    return Promise.race([open, this.#gone]);
  }
}

function refused({ condition, description }: AmqpError): Error {
  return Object.assign(new Error(description), { code: condition });
}
