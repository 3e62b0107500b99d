import type { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import { type Duplex, PassThrough } from 'node:stream';
import type { Clock } from '@zerotouch/foundation/clock';
import { cut, hangUp } from './socket.js';

/** The MQTT layer under the SDK's transports (azure-iot-mqtt-base), as far as it is handled here. */
export interface SdkMqttBase extends EventEmitter {
  setOptions(options: { ca?: string }): void;
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
  /** Extra certificate authority, PEM; absent: the runtime's own trust store. */
  readonly ca: string | undefined;
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

/**
 * The official MQTT base under our eyes: its connections, its messages and its errors are seen, and its sockets can be freed. The
 * SDKs' own cancel and disconnect wait for answers that may never come.
 */
export class WatchedBase {
  /** To hand to a transport of the SDK. */
  readonly base: SdkMqttBase;
  /** The last error of a connection under the SDK, with its code, which the SDK may lose. */
  networkError: unknown;
  readonly #library: SdkMqttLibrary;
  readonly #watch: SdkWatch;
  readonly #streams = new Set<Duplex>();
  #over = false;

  /** @param transportPackage the SDK package whose own copies are taken: several versions are installed, and they differ */
  constructor(transportPackage: 'azure-iot-provisioning-device-mqtt' | 'azure-iot-device-mqtt', watch: SdkWatch) {
    const own = createRequire(createRequire(import.meta.url).resolve(transportPackage));
    const { MqttBase } = own('azure-iot-mqtt-base') as { MqttBase: SdkMqttBaseClass };
    this.#library = createRequire(own.resolve('azure-iot-mqtt-base'))('mqtt') as SdkMqttLibrary;
    this.#watch = watch;
    this.base = new MqttBase({ connect: (uri, options) => this.#connect(uri, options) });
    if (watch.ca !== undefined) this.base.setOptions({ ca: watch.ca });
    this.#filterMessages();
  }

  /** Frees every socket at once and opens no other. */
  async cut(): Promise<void> {
    this.#over = true;
    await Promise.all([...this.#streams].map((stream) => cut(stream)));
  }

  /** Says goodbye on every connection, frees its socket and opens no other. */
  async hangUp(clock: Clock): Promise<void> {
    this.#over = true;
    await Promise.all([...this.#streams].map((stream) => hangUp(stream, clock)));
  }

  #connect(uri: string, options: object): SdkMqttClient {
    // The SDK cannot be stopped from connecting after the end (and an exception here would be nobody's): it gets a line that is dead.
    const client = this.#over
      ? new this.#library.MqttClient(deadStream, options)
      : this.#library.connect(uri, { ...options, rejectUnauthorized: true });
    if (!this.#over) {
      this.#streams.add(client.stream);
      client.stream.once('close', () => this.#streams.delete(client.stream));
    }
    client.on('error', (error) => {
      this.networkError = error;
    });
    client.on('connect', () => this.#watch.onConnect?.());
    client.on('close', () => this.#watch.onClose());
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
