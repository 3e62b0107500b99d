import { httpStatusOf, hubErrors } from '@zerotouch/azure-wire/errors';
import { unescaped } from '@zerotouch/azure-wire/percent';
import type { AmqpError, Delivery, Receiver, Sender } from 'rhea';
import type { Hub } from '../../hub/hub.js';
import type { Journal } from '../../journal.js';
import { HubDevices } from './hub-devices.js';
import { hubAmqpError, textOf } from './hub-messages.js';
import { deviceIn, HubSignIn } from './hub-sign-in.js';
import { type ConnectionMeans, CREDIT, type Incoming, type LinkHandler, type Outcome, pathOf, type Refusal } from './links.js';

/** Where tokens are put. Source: AMQP CBS (OASIS, working draft). */
const CBS = '$cbs';

/** Whether an address is a hub's. */
export function isHubAddress(address: string): boolean {
  return pathOf(address) === CBS || /^(devices|messages)\//i.test(pathOf(address));
}

/** The hubs behind the links of one connection, for whoever signs in on it. */
export class HubLinks implements LinkHandler {
  readonly #means: ConnectionMeans;
  readonly #devices: HubDevices;
  readonly #signIn: HubSignIn;
  /** Links to `$cbs`: a pair, or one in each session. */
  readonly #replies = new Set<Sender>();
  readonly #tokens = new Set<Receiver>();
  /** Links that are refused, and whether a sweep has seen them: they close once their clients can hear why. */
  readonly #refused = new Map<Sender | Receiver, { error: AmqpError; seen: boolean }>();

  constructor(means: ConnectionMeans, hubs: ReadonlyMap<string, Hub>, journal: Pick<Journal, 'attempt'>) {
    this.#means = means;
    this.#devices = new HubDevices(means);
    this.#signIn = new HubSignIn(means, hubs, journal, this.#devices);
  }

  get devices(): number {
    return this.#devices.count;
  }

  attach(link: Sender | Receiver, address: string): void {
    if (pathOf(address) === CBS) {
      if (link.is_receiver()) {
        this.#tokens.add(link as Receiver);
        (link as Receiver).add_credit(CREDIT);
      } else this.#replies.add(link as Sender);
      return;
    }
    this.#means.enqueue(async () => {
      const refused = await this.#open(link, address);
      if (refused !== undefined) this.#refuse(link, hubAmqpError(refused.entry, refused.text));
    });
  }

  message(incoming: Incoming): void {
    if (this.#tokens.has(incoming.receiver)) this.#means.enqueue(() => this.#putToken(incoming));
    else this.#means.enqueue(() => this.#hand(incoming));
  }

  settled(delivery: Delivery, outcome: Outcome): void {
    this.#devices.settled(delivery, outcome);
    this.#signIn.service?.settled(delivery, outcome);
  }

  flow(sender: Sender): void {
    const refused = this.#refused.get(sender);
    if (refused !== undefined) this.#close(sender, refused.error);
    this.#devices.flow(sender);
    this.#signIn.service?.flow(sender);
  }

  detached(link: Sender | Receiver): void {
    this.#refused.delete(link);
    this.#replies.delete(link as Sender);
    this.#tokens.delete(link as Receiver);
    this.#devices.detached(link);
    this.#signIn.service?.detached(link);
  }

  sweep(): void {
    this.#signIn.sweep();
    for (const [link, refused] of [...this.#refused]) {
      if (refused.seen) this.#close(link, refused.error);
      refused.seen = true;
    }
    this.#devices.sweep();
    this.#signIn.service?.sweep();
  }

  closed(cause: string): void {
    this.#devices.closed(cause);
    this.#signIn.service?.closed();
  }

  /**
   * Closes a link that is not served. A client's library says that a link is open before it says that it was closed; the client can listen for
   * the latter from then on. Credit on a link that the client reads from shows that it got so far; others are told at once.
   */
  #refuse(link: Sender | Receiver, error: AmqpError): void {
    if (link.is_receiver() || (link as Sender).sendable()) link.close(error);
    else this.#refused.set(link, { error, seen: false });
  }

  #close(link: Sender | Receiver, error: AmqpError): void {
    this.#refused.delete(link);
    link.close(error);
  }

  async #open(link: Sender | Receiver, address: string): Promise<Refusal | undefined> {
    const path = pathOf(address).split('/').map(unescaped);
    const identity = deviceIn(path);
    if (identity === undefined) {
      const service = this.#signIn.service ?? (await this.#signIn.serviceBefore());
      if ('refused' in service) return { entry: hubErrors.unauthorized, text: service.refused };
      return service.attach(link, path);
    }
    const refused = this.#devices.has(identity) ? undefined : await this.#signIn.device(identity);
    return refused ?? this.#devices.attach(identity, link, path.slice(identity.moduleId === undefined ? 2 : 4));
  }

  async #hand(incoming: Incoming): Promise<void> {
    if (this.#devices.owns(incoming.receiver)) await this.#devices.message(incoming);
    else if (this.#signIn.service !== undefined) await this.#signIn.service.message(incoming);
    else incoming.delivery.reject({ condition: 'amqp:not-allowed', description: 'nothing is taken on this link' });
  }

  async #putToken({ message, delivery, receiver }: Incoming): Promise<void> {
    const token = textOf(message.body) ?? '';
    const refused = await this.#signIn.byToken(token);
    delivery.accept();
    receiver.add_credit(1);
    const { message_id: id } = message;
    const replies = [...this.#replies];
    const reply = replies.find(({ session }) => session === receiver.session) ?? replies.at(-1);
    reply?.send({
      to: textOf(message.reply_to) ?? 'cbs',
      ...(id === undefined ? {} : { correlation_id: id }),
      application_properties: {
        'status-code': refused === undefined ? 200 : httpStatusOf(refused.entry.code),
        'status-description': refused === undefined ? 'OK' : `ErrorCode:${refused.entry.message};${refused.text}`,
      },
      body: '',
    });
  }
}
