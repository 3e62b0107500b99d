import type { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import type { TLSSocket } from 'node:tls';
import { parseJson } from '@zerotouch/azure-wire/json';
import type { Clock } from '@zerotouch/foundation/clock';
import { ReadySocketAgent } from './ready-socket-agent.js';
import { cut } from './socket.js';
import type { TransportName } from './transport-names.js';

/** How long a server may take to answer the close of a connection, milliseconds. */
const FAREWELL_MS = 1_000;

type Done<T = unknown> = (error?: Error | null, result?: T) => void;

interface SdkAmqpConfig {
  readonly sslOptions?: object;
  readonly policyOverride?: object;
}

interface SdkSenderLink extends EventEmitter {
  send(message: object, done: Done): void;
}

/** The AMQP layer under the SDK's transports (azure-iot-amqp-base), as far as it is handled here. */
export interface SdkAmqpBase {
  connect(config: SdkAmqpConfig, done: Done): void;
  disconnect(done: Done): void;
  /** Over the link to $cbs, which stands. */
  putToken(audience: string, token: string, done: Done): void;
  attachSenderLink(endpoint: string, options: unknown, done: Done<SdkSenderLink>): void;
  attachReceiverLink(endpoint: string, options: unknown, done: Done<EventEmitter>): void;
}

/** A message on its way to the SDK. */
export interface SdkAmqpMessage {
  readonly application_properties?: Readonly<Record<string, unknown>>;
  readonly body?: { readonly content?: Uint8Array } | undefined;
}

/** How a transport wants to be told what goes on under the SDK. */
export interface SdkAmqpWatch {
  /** The connection stands: whoever needed a SASL exchange has passed it. */
  readonly onOpen?: () => void;
  /** The connection is gone. */
  readonly onClose: () => void;
  /** The peer turned a connection, a link or a message down. The SDK repeats some of them for ever. */
  readonly onRefusal?: (error: unknown) => void;
  /** A message came whose JSON body can be read (`undefined`: there is none); only if this returns true does the SDK see it. */
  readonly onMessage: (message: SdkAmqpMessage, body: unknown) => boolean;
  /** A message came whose body cannot be read: the SDK would parse it inside an event handler, and end the process. */
  readonly onGarbage: () => void;
}

/** The official AMQP base under our eyes: it speaks over the one connection that was dialled for it, and its refusals and replies are seen. */
export class WatchedAmqpBase {
  /** To hand to a transport of the SDK. */
  readonly base: SdkAmqpBase;
  /** The last error of the socket under the SDK. */
  networkError: unknown;
  readonly #socket: TLSSocket;
  readonly #watch: SdkAmqpWatch;

  /** @param transportPackage the SDK package whose own copy of the base is taken */
  constructor(
    transportPackage: 'azure-iot-provisioning-device-amqp' | 'azure-iot-device-amqp',
    { socket, transport }: { readonly socket: TLSSocket; readonly transport: Extract<TransportName, 'amqp' | 'amqp-ws'> },
    watch: SdkAmqpWatch,
  ) {
    const own = createRequire(createRequire(import.meta.url).resolve(transportPackage));
    const { Amqp } = own('azure-iot-amqp-base') as { Amqp: new (autoSettle: boolean) => SdkAmqpBase };
    this.#socket = socket;
    this.#watch = watch;
    // The hub's messages are settled by the application, DPS's replies at once.
    this.base = new Amqp(transportPackage === 'azure-iot-provisioning-device-amqp');
    socket.on('error', (error) => {
      this.networkError = error;
    });
    socket.once('close', () => watch.onClose());
    this.#leadToSocket(transport);
    this.#watchLinks();
  }

  /** Frees the socket at once. */
  cut(): Promise<void> {
    return cut(this.#socket);
  }

  /** Closes the connection as AMQP has it, and frees the socket whether or not the server plays along. */
  async hangUp(clock: Clock): Promise<void> {
    if (!this.#socket.destroyed) {
      const over = new AbortController();
      const closed = new Promise<void>((resolve) => this.base.disconnect(() => resolve()));
      await Promise.race([closed, clock.wait(FAREWELL_MS, over.signal).catch(() => undefined)]);
      over.abort();
    }
    await this.cut();
  }

  #leadToSocket(transport: string): void {
    const { base } = this;
    const connect = base.connect.bind(base);
    const dialled = (_port: unknown, _host: unknown, _options: unknown, connected: () => void): TLSSocket => {
      setImmediate(connected);
      return this.#socket;
    };
    base.connect = (config, done) => {
      const led =
        transport === 'amqp'
          ? { ...config, policyOverride: { ...config.policyOverride, connect: dialled } }
          : { ...config, sslOptions: { ...config.sslOptions, agent: new ReadySocketAgent(this.#socket) } };
      connect(
        led,
        this.#told(done, () => this.#watch.onOpen?.()),
      );
    };
  }

  #watchLinks(): void {
    const { base } = this;
    const attachSender = base.attachSenderLink.bind(base);
    const attachReceiver = base.attachReceiverLink.bind(base);
    base.attachSenderLink = (endpoint, options, done) => {
      const attached = this.#told(done, (link) => {
        const send = link.send.bind(link);
        link.send = (message, sent) => send(message, this.#told(sent));
      });
      attachSender(endpoint, options, attached);
    };
    base.attachReceiverLink = (endpoint, options, done) => {
      attachReceiver(
        endpoint,
        options,
        this.#told(done, (link) => this.#filter(link)),
      );
    };
  }

  #told<T>(done: Done<T>, welcome?: (result: T) => void): Done<T> {
    return (error, result) => {
      if (error) this.#watch.onRefusal?.(error);
      else if (welcome !== undefined) welcome(result as T);
      done(error, result);
    };
  }

  #filter(link: EventEmitter): void {
    const emit = link.emit.bind(link);
    link.emit = (event, ...details: unknown[]) => {
      if (event !== 'message') return emit(event, ...details);
      const message = details[0] as SdkAmqpMessage;
      const { content } = message.body ?? {};
      const text = content === undefined ? '' : Buffer.from(content).toString('utf8').trim();
      const body = text === '' ? undefined : parseJson(Buffer.from(text));
      if (text !== '' && body === undefined) this.#watch.onGarbage();
      else if (this.#watch.onMessage(message, body)) emit(event, ...details);
      return true;
    };
  }
}
