import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '@zerotouch/foundation/clock';
import { connect, type IClientOptions, MqttClient } from 'mqtt';
import type { Failure } from '../boot/ports.js';
import { hostAndPort, WEB_SOCKET_PATH } from './address.js';
import { type DialRequest, dial } from './dial.js';
import { dropped, sortConnectionError, timedOut } from './evidence.js';
import { Lifeline } from './lifeline.js';
import { ReadySocketAgent } from './ready-socket-agent.js';
import { cut, hangUp } from './socket.js';
import type { WireTransportName } from './transport-names.js';

/** Seconds between pings: the load balancers in front of Azure drop what is silent for four minutes. */
const KEEP_ALIVE_SECONDS = 180;

/** How a line signs in. */
export interface LineRequest extends DialRequest {
  readonly transport: WireTransportName;
  readonly clientId: string;
  readonly username: string;
  readonly password: string | undefined;
  /** What {@link WireLine.subscribe} will be called with first: a line may ask for it together with the sign-in (MQTT 3.1.1, 3.1.4). */
  readonly filters?: readonly string[];
}

/** One signed-in MQTT 3.1.1 connection, without any wish to reconnect: who gets it back on its feet is decided elsewhere. */
export interface WireLine {
  /** Whether it stands. */
  readonly life: Lifeline;
  /** Subscribes with QoS 1 and waits for the SUBACK. */
  subscribe(filters: readonly string[], signal: AbortSignal): Promise<{ outcome: 'subscribed' } | Failure>;
  /** Publishes with QoS 1; `acknowledged` is called at the PUBACK, or with the failure that made it impossible. */
  publish(topic: string, body: string, acknowledged?: (failure: Failure | undefined) => void): void;
  /** Called for every message the server publishes. */
  onMessage(listener: (topic: string, payload: Uint8Array) => void): void;
  /** Says goodbye and frees the socket. */
  close(): Promise<void>;
  /** Frees the socket at once. */
  cut(): Promise<void>;
}

/** Connects and signs in. Never rejects; aborting `signal` ends it as `timed-out`, its socket freed. */
export type OpenLine = (request: LineRequest, clock: Clock, signal: AbortSignal) => Promise<{ outcome: 'open'; line: WireLine } | Failure>;

/** A line over the `mqtt` package: TLS or WebSocket. */
export class Line implements WireLine {
  readonly life = new Lifeline();
  readonly #clock: Clock;
  readonly #socket: TLSSocket;
  readonly #client: MqttClient;
  #closing: Promise<void> | undefined;

  private constructor(request: LineRequest, socket: TLSSocket, clock: Clock) {
    this.#clock = clock;
    this.#socket = socket;
    const options: IClientOptions = {
      protocolId: 'MQTT',
      protocolVersion: 4,
      clean: true,
      clientId: request.clientId,
      username: request.username,
      ...(request.password === undefined ? {} : { password: request.password }),
      keepalive: KEEP_ALIVE_SECONDS,
      reconnectPeriod: 0,
      resubscribe: false,
    };
    this.#client =
      request.transport === 'mqtt'
        ? new MqttClient(() => socket, options)
        : connect(`wss://${hostAndPort(request)}${WEB_SOCKET_PATH}`, { ...options, wsOptions: { agent: new ReadySocketAgent(socket) } });
  }

  /** An {@link OpenLine}. */
  static async open(request: LineRequest, clock: Clock, signal: AbortSignal): Promise<{ outcome: 'open'; line: Line } | Failure> {
    const dialled = await dial(request, clock, signal);
    if (dialled.outcome !== 'open') return dialled;
    if (signal.aborted) {
      await cut(dialled.socket);
      return timedOut();
    }
    const line = new Line(request, dialled.socket, clock);
    const outcome = await line.#signIn(signal);
    if (outcome.outcome === 'open') return { outcome: 'open', line };
    await line.cut();
    return outcome;
  }

  #signIn(signal: AbortSignal): Promise<{ outcome: 'open' } | Failure> {
    let standing = false;
    const onError = (error: unknown): void => {
      const failure = sortConnectionError(error);
      this.life.lose(standing && failure.outcome === 'unreachable' ? dropped(failure.detail) : failure);
      this.#socket.destroy();
    };
    this.#client.on('error', onError);
    // The library tells only some errors of a socket that it did not open itself.
    this.#socket.on('error', onError);
    this.#client.on('close', () =>
      this.life.lose(
        dropped(standing ? 'the server closed the connection' : 'the server closed the connection before it answered CONNECT'),
      ),
    );
    return this.life.during(signal, (answer) => {
      this.#client.once('connect', () => {
        standing = true;
        answer({ outcome: 'open' });
      });
      return undefined;
    });
  }

  subscribe(filters: readonly string[], signal: AbortSignal): Promise<{ outcome: 'subscribed' } | Failure> {
    return this.life.during(signal, (answer) => {
      this.#client.subscribe([...filters], { qos: 1 }, (error) => {
        if (error === null) answer({ outcome: 'subscribed' });
        // With a packet it is the server's answer, without one the connection went.
        else if (Reflect.get(error, 'packet') === undefined) answer(dropped(error.message));
        else answer({ outcome: 'ambiguous', detail: 'SUBACK 128: the subscription was not granted' });
      });
      return undefined;
    });
  }

  publish(topic: string, body: string, acknowledged: (failure: Failure | undefined) => void = () => undefined): void {
    this.#client.publish(topic, body, { qos: 1 }, (error) => {
      if (error === undefined || error === null) acknowledged(undefined);
      else acknowledged(dropped(error.message));
    });
  }

  onMessage(listener: (topic: string, payload: Uint8Array) => void): void {
    this.#client.on('message', (topic, payload) => listener(topic, payload));
  }

  close(): Promise<void> {
    this.life.close();
    this.#closing ??= this.#hangUp();
    return this.#closing;
  }

  async cut(): Promise<void> {
    this.life.close();
    await cut(this.#socket);
    this.#forget();
  }

  async #hangUp(): Promise<void> {
    const stream: Duplex = this.#client.stream;
    await hangUp(stream, this.#clock);
    // Under a WebSocket there is the TLS connection too.
    if (stream !== this.#socket) await cut(this.#socket);
    this.#forget();
  }

  // Stops the timers the library keeps besides its socket.
  #forget(): void {
    this.#client.end(true);
  }
}
