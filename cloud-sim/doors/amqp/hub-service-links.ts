import { hubErrors, type ServiceErrorEntry } from '@zerotouch/azure-wire/errors';
import { unescaped } from '@zerotouch/azure-wire/percent';
import rhea, { type Delivery, type Message, type Receiver, type Sender } from 'rhea';
import type { FeedbackBatch } from '../../hub/feedback.js';
import type { Hub } from '../../hub/hub.js';
import { type MessageProblem, messageProblems } from '../../hub/messages.js';
import type { QueuedMessage } from '../../store/store.js';
import { applicationProperties, hubAmqpError, telemetryIn, textOf } from './hub-messages.js';
import { type ConnectionMeans, CREDIT, type Incoming, type Outcome, type Refusal } from './links.js';

/** Milliseconds between looks for messages whose time is over, while somebody waits for feedback. */
const LOOK_MS = 1000;

const ERRORS: Readonly<Record<MessageProblem, ServiceErrorEntry>> = {
  'no-device': hubErrors.deviceNotFound,
  'queue-full': hubErrors.queueFull,
  'too-large': hubErrors.messageTooLarge,
  expiry: hubErrors.argumentInvalid,
  'no-header': hubErrors.argumentInvalid,
};

/** A service's links: messages to devices, and what became of them. Source: hub/iot-hub-devguide-messages-c2d; Azure's clients. */
export class ServiceLinks {
  readonly #hub: Hub;
  readonly #means: ConnectionMeans;
  readonly #feedback = new Set<Sender>();
  readonly #told = new Map<Delivery, FeedbackBatch>();
  readonly #stop: () => void;
  #telling = false;
  #lookAt = 0;

  constructor(hub: Hub, means: ConnectionMeans) {
    this.#hub = hub;
    this.#means = means;
    this.#stop = hub.feedback.onMore(() => this.#tell());
  }

  /** Opens a link for what its address says. @returns why not, or `undefined` */
  attach(link: Sender | Receiver, path: readonly string[]): Refusal | undefined {
    const purpose = path.join('/').toLowerCase();
    if (purpose === 'messages/devicebound' && link.is_receiver()) {
      (link as Receiver).add_credit(CREDIT);
      return undefined;
    }
    if (purpose === 'messages/servicebound/feedback' && link.is_sender()) {
      this.#feedback.add(link as Sender);
      this.#tell();
      return undefined;
    }
    const what = purpose.startsWith('messages/servicebound/filenotifications')
      ? 'file upload is not supported by the local hub'
      : purpose.startsWith('messages/events')
        ? 'the built-in Event Hubs endpoint is not supported by the local hub: read GET /zerotouch/events, or zerotouch hub monitor'
        : `${purpose} is not served`;
    return { entry: hubErrors.notSupported, text: what };
  }

  async message({ message, delivery, receiver }: Incoming): Promise<void> {
    const to = textOf(message.to) ?? '';
    const [, deviceId = '', rest] = /^\/?devices\/([^/]+)(\/.*)?$/i.exec(to) ?? [];
    const problem = await this.#send(unescaped(deviceId), rest, message);
    if (problem === undefined) delivery.accept();
    else delivery.reject(hubAmqpError(problem.entry, problem.text));
    receiver.add_credit(1);
  }

  settled(delivery: Delivery, outcome: Outcome): void {
    const batch = this.#told.get(delivery);
    if (batch === undefined) return;
    this.#told.delete(delivery);
    if (outcome === 'released') batch.release();
    else this.#means.enqueue(() => batch.complete());
  }

  flow(sender: Sender): void {
    if (this.#feedback.has(sender)) this.#tell();
  }

  detached(link: Sender | Receiver): void {
    this.#feedback.delete(link as Sender);
  }

  sweep(): void {
    const now = this.#means.clock.monotonic();
    if (this.#feedback.size === 0 || now < this.#lookAt) return;
    this.#lookAt = now + LOOK_MS;
    this.#means.enqueue(() => this.#hub.messages.expireAll());
  }

  closed(): void {
    this.#stop();
    for (const batch of this.#told.values()) batch.release();
    this.#told.clear();
  }

  async #send(deviceId: string, rest: string | undefined, message: Message): Promise<Refusal | undefined> {
    if (rest?.toLowerCase() !== '/messages/devicebound')
      return { entry: hubErrors.argumentInvalid, text: 'the message is not addressed to /devices/{deviceId}/messages/devicebound' };
    const throttled = this.#hub.throttle.take('messagesSent');
    if (throttled !== undefined) {
      this.#means.log.warn({ host: this.#hub.host }, throttled.reason.text);
      return { entry: hubErrors.throttled, text: 'Operations are being throttled' };
    }
    const { body, system } = telemetryIn(message);
    const { 'iothub-ack': ack = 'none', ...properties } = applicationProperties(message);
    if (!isAck(ack)) return { entry: hubErrors.argumentInvalid, text: 'iothub-ack is none of none, positive, negative, full' };
    const expiry = system.absolute_expiry_time;
    const expires = expiry === undefined ? undefined : Number.isNaN(Number(expiry)) ? Date.parse(expiry) : Number(expiry);
    const problem = await this.#hub.send(deviceId, { body, system, properties, ack, expires: expires === 0 ? undefined : expires });
    return problem === undefined ? undefined : { entry: ERRORS[problem], text: messageProblems[problem] };
  }

  // One run at a time: each takes what is there.
  #tell(): void {
    if (this.#telling) return;
    this.#telling = true;
    this.#tellAll()
      .catch((error: unknown) => this.#means.log.error({ err: error }, 'feedback could not be told'))
      .finally(() => {
        this.#telling = false;
      });
  }

  async #tellAll(): Promise<void> {
    for (;;) {
      const sender = [...this.#feedback].find((one) => one.sendable());
      const batch = sender === undefined ? undefined : await this.#hub.feedback.take();
      if (sender === undefined || batch === undefined) return;
      const delivery = sender.send({
        content_type: 'application/vnd.microsoft.iothub.feedback.json',
        message_annotations: { 'iothub-enqueuedtime': rhea.types.wrap_timestamp(this.#means.clock.now()) },
        body: rhea.message.data_section(Buffer.from(JSON.stringify(batch.records))),
      } as unknown as Message);
      this.#told.set(delivery, batch);
    }
  }
}

function isAck(text: string): text is QueuedMessage['ack'] {
  return ['none', 'positive', 'negative', 'full'].includes(text);
}
