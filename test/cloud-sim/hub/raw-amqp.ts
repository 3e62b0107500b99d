import { buildSas } from '@zerotouch/azure-wire/sas';
import type { Cloud } from '@zerotouch/cloud-sim/cloud';
import rhea, { type AmqpError, type Connection, type EventContext, type Message, type Receiver, type Sender } from 'rhea';
import type { Test } from 'tap';

/** Where a token of the tests ends: far from now, by whatever clock. */
const EXPIRY = 4_000_000_000;

/** A token for a device, signed with its key. */
export function deviceToken(host: string, deviceId: string, key: string): string {
  return buildSas({ resource: `${host}/devices/${deviceId}`, key: Buffer.from(key, 'base64'), expiry: EXPIRY });
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
  readonly #gone: Promise<never>;

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

  /** A link to send on; rejects with the error that it was closed with. */
  sender(address: string): Promise<Sender> {
    const sender = this.#connection.open_sender({ target: { address } } as rhea.SenderOptions);
    return this.#opened(sender, 'sendable');
  }

  /** A link to receive on, once it is open. */
  receiver(address: string, target?: string): Promise<Receiver> {
    const here = target === undefined ? {} : { target: { address: target } };
    const receiver = this.#connection.open_receiver({ source: { address }, ...here } as rhea.ReceiverOptions);
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
