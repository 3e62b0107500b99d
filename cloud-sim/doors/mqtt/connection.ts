import { encodeConnack, encodePuback, encodePublish, encodeSuback, encodeUnsuback, PINGRESP } from '@zerotouch/azure-wire/mqtt-packets';
import type { Clock } from '@zerotouch/foundation/clock';
import type { IConnectPacket, IPublishPacket, Packet } from 'mqtt-packet';
import type { Logger } from 'pino';
import { connack } from '../../choices.js';
import { type Channel, endSoon, LINGER_MS } from '../channel.js';
import type { Watched } from '../sweep.js';
import { FrameReader } from './frames.js';
import type { MqttSession, Outgoing, Published, Receptionist } from './session.js';
import { willOf } from './will.js';

/** Packets that may wait before reading pauses; bytes that may wait for a device that does not read. */
const MAX_WAITING_PACKETS = 64;
const MAX_UNREAD_BYTES = 1024 * 1024;
const MAX_PACKET_ID = 0xffff;

/** What a connection works with. */
export interface ConnectionParts {
  channel: Channel;
  receive: Receptionist;
  clock: Clock;
  log: Logger;
  /** Milliseconds until a CONNECT must have come. */
  connectTimeout: number;
  onClosed(connection: MqttConnection): void;
}

/**
 * One MQTT 3.1.1 connection: framing, order, acknowledgements, keep-alive. What topics mean is for the session behind it.
 * Source: MQTT 3.1.1 (OASIS), sections 3.1 (CONNECT), 3.1.2.10 (keep alive), 4.3 (QoS), 4.8 (errors).
 */
export class MqttConnection implements Watched {
  readonly #parts: ConnectionParts;
  readonly #frames = new FrameReader();
  readonly #waiting: Packet[] = [];
  #session: MqttSession | undefined;
  #working = false;
  #ended = false;
  #connectSeen = false;
  #cause: string | undefined;
  #will: Published | undefined;
  /** What was sent with QoS 1 and waits for its acknowledgement, by packet id. */
  readonly #unacked = new Map<number, () => void>();
  #lastId = 0;
  /** Monotonic milliseconds until which something must be heard. */
  #silentUntil: number;
  #longestSilence = Number.POSITIVE_INFINITY;
  #expiresAt = Number.POSITIVE_INFINITY;
  /** Once the connection is ended. */
  #lingersUntil = Number.POSITIVE_INFINITY;

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
    this.#silentUntil = parts.clock.monotonic() + parts.connectTimeout;
    const { stream } = parts.channel;
    stream.on('data', (chunk: Buffer) => this.#hear(chunk));
    stream.on('error', (error: Error) => {
      this.#cause ??= `the socket failed: ${error.message}`;
    });
    stream.on('close', () => this.#closed());
  }

  /** Looks at the deadlines: CONNECT, keep-alive, the end of the token; that of a client that does not take what was written before the end. */
  sweep(): void {
    const { clock, channel } = this.#parts;
    if (clock.monotonic() >= this.#lingersUntil) channel.stream.destroy();
    else if (clock.now() >= this.#expiresAt) this.#end('the token of the connection has expired');
    else if (clock.monotonic() >= this.#silentUntil)
      this.#end(this.#connectSeen ? 'nothing was heard for 1.5 times the keep-alive' : 'no CONNECT came');
  }

  #hear(chunk: Buffer): void {
    if (this.#ended) return;
    if (this.#session !== undefined) this.#silentUntil = this.#parts.clock.monotonic() + this.#longestSilence;
    const { packets, broken } = this.#frames.read(chunk);
    this.#waiting.push(...packets);
    if (broken === 'protocol-version') {
      this.#write(encodeConnack(connack.badProtocolVersion));
      this.#end('the CONNECT is of another protocol version than MQTT 3.1.1');
    } else if (broken !== undefined) this.#end(broken === 'too-long' ? 'a packet is longer than is served' : 'a packet is malformed');
    else if (this.#waiting.length > MAX_WAITING_PACKETS) this.#parts.channel.stream.pause();
    void this.#work();
  }

  // One packet after the other, in the order they came: later ones must see what earlier ones did.
  async #work(): Promise<void> {
    if (this.#working) return;
    this.#working = true;
    try {
      for (let packet = this.#waiting.shift(); packet !== undefined && !this.#ended; packet = this.#waiting.shift())
        await this.#handle(packet);
    } catch (error) {
      this.#parts.log.error({ err: error }, 'a packet could not be handled');
      this.#end('the cloud failed to handle a packet');
    } finally {
      this.#working = false;
      if (!this.#ended) this.#parts.channel.stream.resume();
    }
  }

  async #handle(packet: Packet): Promise<void> {
    if (packet.cmd === 'connect') {
      if (this.#connectSeen) return this.#end('a second CONNECT came');
      this.#connectSeen = true;
      return this.#connect(packet);
    }
    const session = this.#session;
    if (session === undefined) return this.#end(`${packet.cmd.toUpperCase()} came before CONNECT`);
    switch (packet.cmd) {
      case 'publish':
        return this.#publish(session, packet);
      case 'subscribe': {
        // QoS 2 is granted as 1.
        const granted = packet.subscriptions.map(({ topic, qos }) => {
          const atMost = qos === 0 ? 0 : 1;
          return session.subscribe(topic, atMost) ? atMost : 128;
        });
        return this.#write(encodeSuback(packet.messageId ?? 0, granted));
      }
      case 'unsubscribe':
        for (const filter of packet.unsubscriptions) session.unsubscribe(filter);
        return this.#write(encodeUnsuback(packet.messageId ?? 0));
      case 'pingreq':
        return this.#write(PINGRESP);
      case 'puback':
        return this.#acked(packet.messageId ?? 0);
      case 'disconnect':
        this.#will = undefined;
        return this.#end('the device disconnected');
      default:
        return this.#end(`a device may not send ${packet.cmd.toUpperCase()}`);
    }
  }

  async #connect(packet: IConnectPacket): Promise<void> {
    if (packet.protocolVersion !== 4 || packet.protocolId !== 'MQTT') {
      this.#write(encodeConnack(connack.badProtocolVersion));
      return this.#end('the CONNECT is of another protocol version than MQTT 3.1.1');
    }
    const reception = await this.#parts.receive(packet, this.#parts.channel);
    if ('returnCode' in reception) {
      if (!this.#ended) this.#write(encodeConnack(reception.returnCode));
      return this.#end(reception.cause);
    }
    // The socket may have closed while the service judged: nobody would ever tell the session.
    if (this.#ended) return;
    const { session, expiresAt = Number.POSITIVE_INFINITY, longestSilenceSeconds = Number.POSITIVE_INFINITY } = reception;
    const keepAlive = packet.keepalive ?? 0;
    if (keepAlive > 0) this.#longestSilence = Math.min(keepAlive * 1.5, longestSilenceSeconds) * 1000;
    this.#silentUntil = this.#parts.clock.monotonic() + this.#longestSilence;
    this.#expiresAt = expiresAt;
    this.#session = session;
    this.#will = willOf(packet);
    this.#write(encodeConnack(connack.accepted, session.present));
    session.opened({ send: (message) => this.#send(message), end: (cause) => this.#end(cause) });
  }

  async #publish(session: MqttSession, { topic, payload, qos, retain, messageId }: IPublishPacket): Promise<void> {
    if (qos === 2) return this.#end('a publish with QoS 2 came, which Azure IoT does not take');
    const body = typeof payload === 'string' ? Buffer.from(payload) : payload;
    const outcome = await session.publish({ topic, payload: body, retain });
    if ('close' in outcome) return this.#end(outcome.close);
    if (qos === 1) this.#write(encodePuback(messageId ?? 0));
    for (const reply of outcome.replies) this.#send(reply);
  }

  // Source: MQTT 3.1.1, 3.1.2.5: however the connection ended, unless by DISCONNECT.
  #bequeath(): void {
    if (this.#session === undefined || this.#will === undefined) return;
    const { log } = this.#parts;
    this.#session.publish(this.#will).then(
      (outcome) => 'close' in outcome && log.warn({ cause: outcome.close }, 'a will was not taken'),
      (error: unknown) => log.error({ err: error }, 'a will could not be handled'),
    );
  }

  #send(message: Outgoing): void {
    this.#write(this.#encoded(message));
  }

  #encoded({ topic, payload, acked }: Outgoing): Buffer {
    if (acked === undefined) return encodePublish(topic, payload);
    do this.#lastId = (this.#lastId % MAX_PACKET_ID) + 1;
    while (this.#unacked.has(this.#lastId));
    this.#unacked.set(this.#lastId, acked);
    return encodePublish(topic, payload, this.#lastId);
  }

  #acked(messageId: number): void {
    const acked = this.#unacked.get(messageId);
    this.#unacked.delete(messageId);
    acked?.();
  }

  #write(bytes: Buffer): void {
    const { stream } = this.#parts.channel;
    if (this.#ended || !stream.writable) return;
    // The answers to packets that came together leave together: each write is a record, a system call, and a wake-up at the other end.
    if (stream.writableCorked === 0) {
      stream.cork();
      process.nextTick(() => stream.uncork());
    }
    stream.write(bytes);
    if (stream.writableLength > MAX_UNREAD_BYTES) this.#end('the device does not read');
  }

  #end(cause: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cause ??= cause;
    this.#waiting.length = 0;
    this.#lingersUntil = this.#parts.clock.monotonic() + LINGER_MS;
    this.#parts.channel.stream.uncork();
    endSoon(this.#parts.channel.stream);
  }

  #closed(): void {
    this.#ended = true;
    const cause = this.#cause ?? 'the connection was lost';
    this.#parts.log.debug({ cause }, 'a connection closed');
    this.#bequeath();
    this.#session?.closed(cause);
    this.#parts.onClosed(this);
  }
}
