import type { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import { type Duplex, PassThrough } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '@zerotouch/foundation/clock';
import { ReadySocketAgent } from './ready-socket-agent.js';
import { cut, hangUp } from './socket.js';
import type { WireTransportName } from './transport-names.js';

/** The MQTT layer under the SDK's transports (azure-iot-mqtt-base), as far as it is handled here. */
export type SdkMqttBase = EventEmitter;

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
  readonly #line: SdkLine;
  #stream: Duplex | undefined;
  #over = false;

  /** @param transportPackage the SDK package whose own copies are taken: several versions are installed, and they differ */
  constructor(transportPackage: 'azure-iot-provisioning-device-mqtt' | 'azure-iot-device-mqtt', line: SdkLine, watch: SdkWatch) {
    const own = createRequire(createRequire(import.meta.url).resolve(transportPackage));
    const { MqttBase } = own('azure-iot-mqtt-base') as { MqttBase: SdkMqttBaseClass };
    this.#library = createRequire(own.resolve('azure-iot-mqtt-base'))('mqtt') as SdkMqttLibrary;
    this.#line = line;
    this.#watch = watch;
    // The library tells only some errors of a socket that it did not open itself.
    line.socket.on('error', (error) => {
      this.networkError = error;
    });
    this.base = new MqttBase({ connect: (uri, options) => this.#connect(uri, options) });
    this.#filterMessages();
  }

  /** Frees every socket at once and opens no other. */
  async cut(): Promise<void> {
    this.#over = true;
    if (this.#stream !== undefined) await cut(this.#stream);
    await cut(this.#line.socket);
  }

  /** Says goodbye, frees the sockets and opens no other. */
  async hangUp(clock: Clock): Promise<void> {
    this.#over = true;
    if (this.#stream !== undefined) await hangUp(this.#stream, clock);
    await cut(this.#line.socket);
  }

  #connect(uri: string, options: object): SdkMqttClient {
    const client = this.#client(uri, options);
    client.on('error', (error) => {
      this.networkError = error;
    });
    client.on('connect', () => this.#watch.onConnect?.());
    client.on('close', () => this.#watch.onClose());
    return client;
  }

  #client(uri: string, options: object): SdkMqttClient {
    // The SDK cannot be stopped from connecting again (and an exception here would be nobody's): it gets a line that is dead.
    if (this.#over || this.#stream !== undefined || this.#line.socket.destroyed) return new this.#library.MqttClient(deadStream, options);
    const { socket, transport } = this.#line;
    const client =
      transport === 'mqtt'
        ? new this.#library.MqttClient(() => socket, options)
        : this.#library.connect(uri, { ...options, wsOptions: { agent: new ReadySocketAgent(socket) } });
    this.#stream = client.stream;
    return client;
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

function deadStream(): Duplex {
  const stream = new PassThrough();
  setImmediate(() => stream.destroy());
  return stream;
}
