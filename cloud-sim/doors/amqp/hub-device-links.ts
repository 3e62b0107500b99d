import { hubErrors } from '@zerotouch/azure-wire/errors';
import type { JsonObject } from '@zerotouch/azure-wire/twin';
import rhea, { type Delivery, type Message, type Receiver, type Sender } from 'rhea';
import type { Line, MethodCall } from '../../hub/lines.js';
import type { Settlement } from '../../hub/messages.js';
import type { HubSession, TwinReply } from '../../hub/session.js';
import { Held } from '../held.js';
import { correlationOf, hubAmqpError, messageOut, telemetryIn, textOf, unbatched } from './hub-messages.js';
import { type ConnectionMeans, CREDIT, type Incoming, type Outcome, type Refusal } from './links.js';
import { bytesOf } from './messages.js';

/** What a link of a device is for. */
type Purpose = 'events' | 'messages' | 'twin' | 'methods' | 'inputs';

/** Messages of ours that may wait for a link's credit. */
const MAX_WAITING = 32;

const SETTLEMENTS: Readonly<Record<Outcome, Settlement>> = { accepted: 'complete', rejected: 'reject', released: 'abandon' };

/** A signed-in device's links: telemetry, cloud-to-device messages, twin, methods. Source: hub/iot-hub-amqp-support; Azure's clients. */
export class DeviceLinks {
  readonly #hub: HubSession;
  readonly #means: ConnectionMeans;
  readonly #held: Held;
  readonly #purposes = new Map<Sender | Receiver, Purpose>();
  /** Lock tokens by what carries the message. */
  readonly #sent = new Map<Delivery, string>();
  /** What waits for credit. */
  readonly #waiting = new Map<Sender, Message[]>();
  readonly #line: Line;
  /** Whether changes of the desired properties are wanted. */
  #wantsDesired = false;

  constructor(hub: HubSession, means: ConnectionMeans) {
    this.#hub = hub;
    this.#means = means;
    this.#held = new Held(hub, means.log);
    this.#line = {
      desired: (patch, version) => this.#push(patch, version),
      method: (call) => this.#call(call),
      message: () => this.#deliver(),
      end: (cause) => means.end(cause),
    };
    hub.attach(this.#line);
  }

  /** Opens a link for what its address says. @returns why not, or `undefined` */
  attach(link: Sender | Receiver, path: readonly string[]): Refusal | undefined {
    const purpose = purposeOf(path.join('/').toLowerCase());
    if (purpose === undefined) {
      const text = `${path.join('/')} is not served: messages/events, messages/devicebound, twin and methods/devicebound are; file upload is not supported by the local hub`;
      return { entry: hubErrors.notSupported, text };
    }
    this.#purposes.set(link, purpose);
    if (link.is_receiver()) (link as Receiver).add_credit(CREDIT);
    else if (purpose === 'methods') this.#hub.listens();
    else if (purpose === 'messages') this.#deliver();
    return undefined;
  }

  async message({ message, delivery, receiver }: Incoming): Promise<void> {
    switch (this.#purposes.get(receiver)) {
      case 'events':
        await this.#telemetry(message, delivery);
        break;
      case 'twin':
        delivery.accept();
        await this.#twin(message);
        break;
      case 'methods':
        delivery.accept();
        this.#answer(message);
        break;
      default:
        delivery.reject({ condition: 'amqp:not-allowed', description: 'nothing is taken on this link' });
    }
    receiver.add_credit(1);
  }

  settled(delivery: Delivery, outcome: Outcome): void {
    const lockToken = this.#sent.get(delivery);
    if (lockToken === undefined) return;
    this.#sent.delete(delivery);
    void this.#held.settle(lockToken, SETTLEMENTS[outcome]).then(() => this.#deliver());
  }

  flow(sender: Sender): void {
    this.#flush(sender);
    if (this.#purposes.get(sender) === 'messages') this.#deliver();
  }

  detached(link: Sender | Receiver): void {
    if (this.#purposes.get(link) === 'twin') this.#wantsDesired = false;
    this.#purposes.delete(link);
    this.#waiting.delete(link as Sender);
  }

  closed(cause: string): void {
    this.#held.close();
    this.#hub.detach(this.#line, cause);
  }

  async #telemetry(message: Message, delivery: Delivery): Promise<void> {
    const messages = unbatched(message, (delivery as unknown as { format?: number }).format);
    const problem =
      messages === undefined
        ? { entry: hubErrors.argumentInvalid, text: 'the batch is none: data sections that each hold an AMQP message' }
        : await this.#hub.telemetry(messages.map(telemetryIn));
    if (problem === undefined) delivery.accept();
    else delivery.reject(hubAmqpError(problem.entry, problem.text));
  }

  async #twin(message: Message): Promise<void> {
    const { operation, resource } = message.message_annotations ?? {};
    const request = `${textOf(operation) ?? ''} ${textOf(resource) ?? ''}`.trim();
    switch (request) {
      case 'GET':
        return this.#replyTwin(message, await this.#hub.twin());
      case 'PATCH /properties/reported':
        return this.#replyTwin(message, await this.#hub.report(bytesOf(message.body)));
      case 'PUT /notifications/twin/properties/desired':
      case 'DELETE /notifications/twin/properties/desired':
        this.#wantsDesired = request.startsWith('PUT');
        this.#send('twin', reply(message, 200, Buffer.alloc(0)));
        return;
      default:
        this.#send('twin', reply(message, 400, Buffer.from(JSON.stringify(`${request} is no operation on a twin`))));
    }
  }

  #replyTwin(message: Message, twin: TwinReply): void {
    if ('document' in twin) this.#send('twin', reply(message, twin.status, Buffer.from(JSON.stringify(twin.document))));
    else if ('version' in twin) this.#send('twin', reply(message, twin.status, Buffer.alloc(0), twin.version));
    else this.#send('twin', reply(message, twin.status, Buffer.from(JSON.stringify(twin.error))));
  }

  #push(patch: JsonObject, version: number): void {
    if (!this.#wantsDesired) return;
    this.#send('twin', {
      message_annotations: { resource: '/notifications/twin/properties/desired', version },
      body: rhea.message.data_section(Buffer.from(JSON.stringify({ ...patch, $version: version }))),
    } as unknown as Message);
  }

  #call({ rid, name, payload }: MethodCall): boolean {
    return this.#send('methods', {
      correlation_id: rid,
      application_properties: { 'IoThub-methodname': name },
      body: rhea.message.data_section(Buffer.from(payload)),
    } as unknown as Message);
  }

  #answer(message: Message): void {
    const status: unknown = message.application_properties?.['IoThub-status'];
    const rid = correlationOf(message);
    if (rid !== undefined) this.#hub.answer(rid, Number(status ?? 0), bytesOf(message.body));
  }

  #deliver(): void {
    const sender = this.#senderFor('messages');
    if (sender === undefined) return;
    const room = (): number => (sender.sendable() ? 1 : 0);
    void this.#held.fill(({ lockToken, message }) => this.#sent.set(sender.send(messageOut(message)), lockToken), room);
  }

  /** @returns whether there is a link for it; a client that has just opened it grants its credit a little later */
  #send(purpose: Purpose, message: Message): boolean {
    const sender = this.#senderFor(purpose);
    if (sender === undefined) return false;
    const waiting = this.#waiting.get(sender) ?? [];
    this.#waiting.set(sender, waiting);
    waiting.push(message);
    if (waiting.length > MAX_WAITING) this.#means.end('the device takes no messages on a link that it opened');
    this.#flush(sender);
    return true;
  }

  #flush(sender: Sender): void {
    const waiting = this.#waiting.get(sender) ?? [];
    while (waiting.length > 0 && sender.sendable()) sender.send(waiting.shift() as Message);
  }

  #senderFor(purpose: Purpose): Sender | undefined {
    for (const [link, its] of this.#purposes) if (its === purpose && link.is_sender()) return link as Sender;
    return undefined;
  }
}

function purposeOf(path: string): Purpose | undefined {
  switch (path) {
    case 'messages/events':
      return 'events';
    case 'messages/devicebound':
      return 'messages';
    case 'twin':
      return 'twin';
    case 'methods/devicebound':
      return 'methods';
    case 'inputs':
      return 'inputs';
    default:
      return undefined;
  }
}

function reply({ correlation_id: id }: Message, status: number, body: Buffer, version?: number): Message {
  return {
    ...(id === undefined ? {} : { correlation_id: id }),
    message_annotations: { status, ...(version === undefined ? {} : { version }) },
    body: rhea.message.data_section(body),
  } as unknown as Message;
}
