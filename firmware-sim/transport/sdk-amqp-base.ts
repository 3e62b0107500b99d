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

/** The address of messages to the device. Source: hub/iot-hub-amqp-support. */
const CLOUD_TO_DEVICE = /\/messages\/devicebound$/;

/** How the SDK's links tell of an end that was the peer's. */
const LINK_ENDED = 'azure-iot-amqp-base:error-indicated';

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
  /** The peer turned a link or a message down. The SDK repeats some of them for ever. */
  readonly onRefusal?: (error: unknown) => void;
  /** The peer ended the connection, or a link that stood, and said why: of both the SDK tells only that something is gone, and late. */
  readonly onEnd: (error: unknown) => void;
  /** A message came whose JSON body can be read (`undefined`: there is none); only if this returns true does the SDK see it. `address`: of its link. */
  readonly onMessage: (message: SdkAmqpMessage, body: unknown, address: string) => boolean;
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
  /** The peer has said its farewell, and answers no other. */
  #ended = false;

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
    this.#deafen();
    // A token that was never answered would hold a timer for two minutes.
    const signIn: { forceDetach(): void } | undefined = Reflect.get(this.base, '_cbs');
    Reflect.set(this.base, '_disconnectionOccurred', true);
    signIn?.forceDetach();
    return cut(this.#socket);
  }

  /** Closes the connection as AMQP has it, and frees the socket whether or not the server plays along. */
  async hangUp(clock: Clock): Promise<void> {
    if (this.#socket.writable && this.#socket.readable && !this.#ended) {
      this.#deafen();
      const over = new AbortController();
      const closed = new Promise((resolve) => {
        this.#connection?.once('connection_close', resolve);
        this.#socket.once('end', resolve).once('close', resolve);
      });
      this.#connection?.close();
      await Promise.race([closed, clock.wait(FAREWELL_MS, over.signal).catch(() => undefined)]);
      over.abort();
    }
    await this.cut();
  }

  // Told of the end, the SDK takes leave of each link and waits 45 s for the peer to do the same; and where a link is half attached, it throws.
  #deafen(): void {
    this.#ended = true;
    // The library complains to the console of what nobody listens to.
    for (const event of ['connection_close', 'connection_error', 'disconnected', 'error'])
      this.#connection?.removeAllListeners(event).on(event, () => undefined);
  }

  // Kept private by the SDK; without it an end is still seen, as a drop.
  get #connection(): (EventEmitter & { close(): void }) | undefined {
    return Reflect.get(this.base, '_rheaConnection');
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
      this.#hearOfTheEnd();
    };
  }

  // From the library below: the SDK tells late, and not why.
  #hearOfTheEnd(): void {
    const ended = (error: unknown): void => {
      this.#deafen();
      this.#watch.onEnd(error);
    };
    this.#connection?.on('connection_error', ({ error }: { readonly error?: unknown }) => ended(error));
    const container: EventEmitter | undefined = Reflect.get(this.base, '_rheaContainer');
    container?.removeAllListeners(LINK_ENDED).on(LINK_ENDED, ended);
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
      // A message to the device is the application's, whatever is in it.
      const own = CLOUD_TO_DEVICE.test(endpoint) ? undefined : (link: EventEmitter): void => this.#filter(link, endpoint);
      attachReceiver(endpoint, options, this.#told(done, own));
    };
  }

  #told<T>(done: Done<T>, welcome?: (result: T) => void): Done<T> {
    return (error, result) => {
      if (error) this.#watch.onRefusal?.(error);
      else if (welcome !== undefined) welcome(result as T);
      done(error, result);
    };
  }

  #filter(link: EventEmitter, address: string): void {
    const emit = link.emit.bind(link);
    link.emit = (event, ...details: unknown[]) => {
      if (event !== 'message') return emit(event, ...details);
      const message = details[0] as SdkAmqpMessage;
      const { content } = message.body ?? {};
      const text = content === undefined ? '' : Buffer.from(content).toString('utf8').trim();
      const body = text === '' ? undefined : parseJson(Buffer.from(text));
      if (text !== '' && body === undefined) this.#watch.onGarbage();
      else if (this.#watch.onMessage(message, body, address)) emit(event, ...details);
      return true;
    };
  }
}
