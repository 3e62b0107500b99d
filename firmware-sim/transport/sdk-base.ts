import type { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import { type Duplex, PassThrough } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '@zerotouch/foundation/clock';
import { ReadySocketAgent } from './ready-socket-agent.js';
import { cut, hangUp } from './socket.js';
import type { WireTransportName } from './transport-names.js';

type Done = (error?: Error | null) => void;

/** The MQTT layer under the SDK's transports (azure-iot-mqtt-base), as far as it is handled here. */
export interface SdkMqttBase extends EventEmitter {
  subscribe(topic: string, options: object, done: Done): void;
  unsubscribe(topic: string, done: Done): void;
  /** Ends the connection as soon as what was sent is acknowledged, and opens another; what is called meanwhile waits. */
  updateSharedAccessSignature(token: string, done: Done): void;
}

interface SdkMqttClient extends EventEmitter {
  readonly stream: Duplex;
}

interface SdkMqttLibrary {
  connect(uri: string, options: object): SdkMqttClient;
  readonly MqttClient: new (openStream: () => Duplex, options: object) => SdkMqttClient;
}

interface SdkMqttBaseClass {
  new (mqttProvider: { connect(uri: string, options: object): SdkMqttClient }): SdkMqttBase;
}

/** How a transport wants to be told what goes on under the SDK. */
export interface SdkWatch {
  /** A CONNACK let us in. */
  readonly onConnect?: () => void;
  /** A connection is gone: the SDK does not always notice, above all not while it waits for a SUBACK. */
  readonly onClose: () => void;
  /**
   * A message came. Nothing reaches the SDK but what is forwarded: it parses JSON inside an event handler, where a text that is none
   * would end the whole process.
   */
  readonly onMessage: (topic: string, payload: Uint8Array, forward: (payload: Uint8Array) => void) => void;
}

/** A connection for the SDK, and what is to go over it. */
export interface SdkLine {
  readonly socket: TLSSocket;
  readonly transport: WireTransportName;
}

/**
 * The official MQTT base under our eyes: it speaks over the one connection that was dialled for it; its messages and its errors are seen, and its
 * sockets can be freed. The SDKs' own cancel and disconnect wait for answers that may never come.
 */
export class WatchedBase {
  /** To hand to a transport of the SDK. */
  readonly base: SdkMqttBase;
  /** The last error of a connection under the SDK, with its code, which the SDK may lose. */
  networkError: unknown;
  readonly #library: SdkMqttLibrary;
  readonly #watch: SdkWatch;
  readonly #transport: WireTransportName;
  #socket: TLSSocket;
  /** Whether the SDK may have the socket: it gets each only once. */
  #fresh = false;
  /** Whose end is a loss. */
  #client: SdkMqttClient | undefined;
  readonly #subscribed = new Map<string, object>();
  #over = false;

  /** @param transportPackage the SDK package whose own copies are taken: several versions are installed, and they differ */
  constructor(transportPackage: 'azure-iot-provisioning-device-mqtt' | 'azure-iot-device-mqtt', line: SdkLine, watch: SdkWatch) {
    const own = createRequire(createRequire(import.meta.url).resolve(transportPackage));
    const { MqttBase } = own('azure-iot-mqtt-base') as { MqttBase: SdkMqttBaseClass };
    this.#library = createRequire(own.resolve('azure-iot-mqtt-base'))('mqtt') as SdkMqttLibrary;
    this.#transport = line.transport;
    this.#socket = line.socket;
    this.#watch = watch;
    this.#takeOn(line.socket);
    this.base = new MqttBase({ connect: (uri, options) => this.#connect(uri, options) });
    this.#filterMessages();
    this.#noteSubscriptions();
  }

  /**
   * Has the SDK sign in anew over another connection, under the same client: its subscriptions stand again when this resolves, without an error.
   * With one, or when `signal` was aborted, there is no connection any more.
   */
  async moveTo(socket: TLSSocket, token: string, signal: AbortSignal): Promise<unknown> {
    const old = this.#socket;
    this.#client = undefined;
    this.#takeOn(socket);
    const onAbort = (): void => void this.cut();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      const problem = await told((done) => this.base.updateSharedAccessSignature(token, done));
      if (problem) return problem;
      // The SDK counts on the hub to have kept them.
      for (const [topic, options] of [...this.#subscribed]) {
        const refused = await told((done) => this.base.subscribe(topic, options, done));
        if (refused) return refused;
      }
      return undefined;
    } finally {
      signal.removeEventListener('abort', onAbort);
      await cut(old);
    }
  }

  /** Frees every socket at once and opens no other. */
  async cut(): Promise<void> {
    this.#over = true;
    const stream = this.#client?.stream;
    if (stream !== undefined) await cut(stream);
    await cut(this.#socket);
  }

  /** Says goodbye, frees the sockets and opens no other. */
  async hangUp(clock: Clock): Promise<void> {
    this.#over = true;
    const stream = this.#client?.stream;
    if (stream !== undefined) await hangUp(stream, clock);
    await cut(this.#socket);
  }

  #takeOn(socket: TLSSocket): void {
    this.#socket = socket;
    this.#fresh = true;
    // The library tells only some errors of a socket that it did not open itself.
    socket.on('error', (error) => {
      if (socket === this.#socket) this.networkError = error;
    });
  }

  #connect(uri: string, options: object): SdkMqttClient {
    // The SDK cannot be stopped from connecting again (and an exception here would be nobody's): it gets a line that is dead.
    const dead = this.#over || !this.#fresh || this.#socket.destroyed;
    const client = dead ? new this.#library.MqttClient(deadStream, options) : this.#open(uri, options);
    client.on('error', (error) => {
      if (dead || client === this.#client) this.networkError = error;
    });
    client.on('connect', () => this.#watch.onConnect?.());
    client.on('close', () => {
      if (dead || client === this.#client) this.#watch.onClose();
    });
    return client;
  }

  #open(uri: string, options: object): SdkMqttClient {
    const socket = this.#socket;
    this.#fresh = false;
    this.#client =
      this.#transport === 'mqtt'
        ? new this.#library.MqttClient(() => socket, options)
        : this.#library.connect(uri, { ...options, wsOptions: { agent: new ReadySocketAgent(socket) } });
    return this.#client;
  }

  #noteSubscriptions(): void {
    const { base } = this;
    const [subscribe, unsubscribe] = [base.subscribe.bind(base), base.unsubscribe.bind(base)];
    base.subscribe = (topic, options, done) =>
      subscribe(topic, options, (error, ...granted) => {
        if (!error) this.#subscribed.set(topic, options);
        (done as (...result: unknown[]) => void)(error, ...(granted as unknown[]));
      });
    base.unsubscribe = (topic, done) => {
      this.#subscribed.delete(topic);
      unsubscribe(topic, done);
    };
  }

  #filterMessages(): void {
    const emit = this.base.emit.bind(this.base);
    this.base.emit = (event, ...details: unknown[]) => {
      const [topic, payload] = details;
      if (event !== 'message' || typeof topic !== 'string' || !(payload instanceof Uint8Array)) return emit(event, ...details);
      this.#watch.onMessage(topic, payload, (forwarded) => emit('message', topic, forwarded));
      return true;
    };
  }
}

function told(start: (done: Done) => void): Promise<Error | null | undefined> {
  return new Promise((resolve) => start((error) => resolve(error)));
}

function deadStream(): Duplex {
  const stream = new PassThrough();
  setImmediate(() => stream.destroy());
  return stream;
}
