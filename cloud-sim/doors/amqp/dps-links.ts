import type { Receiver, Sender } from 'rhea';
import type { AmqpReceptionist, AmqpService } from './dps-service.js';
import { type ConnectionMeans, CREDIT, type Incoming, type LinkHandler } from './links.js';

/** DPS behind the links of one connection: a pair of one address, requests in, replies out. */
export class DpsLinks implements LinkHandler {
  readonly #means: ConnectionMeans;
  readonly #receive: AmqpReceptionist;
  #service: Promise<AmqpService> | undefined;
  #address: string | undefined;
  #sender: Sender | undefined;
  #waiting = 0;

  constructor(means: ConnectionMeans, receive: AmqpReceptionist) {
    this.#means = means;
    this.#receive = receive;
  }

  attach(link: Sender | Receiver, address: string): void {
    const { transport, localAddress, identity } = this.#means;
    const properties = link.properties as Record<string, unknown> | undefined;
    const version: unknown = properties?.['com.microsoft:api-version'];
    this.#address ??= address;
    if (this.#address !== address) {
      link.close({ condition: 'amqp:not-allowed', description: 'another link has another address' });
      return;
    }
    this.#service ??= this.#receive.attach({
      address,
      apiVersion: typeof version === 'string' ? version : undefined,
      identity,
      certificate: this.#means.certificate(),
      transport,
      localAddress,
    });
    this.#means.letIn(false);
    const incoming = link.is_receiver();
    if (!incoming) this.#sender = link as Sender;
    this.#enqueue(async (service) => {
      if ('refused' in service) link.close(service.refused);
      else if (incoming) (link as Receiver).add_credit(CREDIT);
    });
  }

  message({ message, delivery, receiver }: Incoming): void {
    this.#waiting++;
    if (this.#waiting > CREDIT) {
      this.#means.end('more messages came than were asked for');
      return;
    }
    this.#enqueue(async (service) => {
      this.#waiting--;
      if ('refused' in service) return;
      const answer = await service.ask(message);
      if ('rejected' in answer) delivery.reject(answer.rejected);
      else if (this.#sender?.sendable() === true) {
        delivery.accept();
        this.#sender.send(answer.reply);
      } else delivery.reject({ condition: 'amqp:precondition-failed', description: 'there is no link with credit to answer on' });
      receiver.add_credit(1);
    });
  }

  #enqueue(task: (service: AmqpService) => Promise<void>): void {
    const service = this.#service;
    if (service === undefined) return;
    this.#means.enqueue(async () => task(await service));
  }
}
