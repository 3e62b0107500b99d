import { TLSSocket } from 'node:tls';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Logger } from 'pino';
import type { Connection, EventContext, Receiver, Sender, Session } from 'rhea';
import type { Transport } from '../../reasons.js';
import { type Channel, LINGER_MS } from '../channel.js';
import { presentedCertificate } from '../presented.js';
import type { Watched } from '../sweep.js';
import type { AmqpReceptionist } from './dps-service.js';
import { FrameGuard, MAX_FRAME, PROTOCOL } from './guard.js';
import { createContainer, decodedMessage } from './library.js';
import { type ConnectionMeans, CREDIT, type LinkHandler, type Outcome } from './links.js';
import { Pipe } from './pipe.js';
import { External, Later, type Mechanism, Plain, type SaslIdentity, Unknown } from './sasl.js';
import { Tpm } from './sasl-tpm.js';

/**
 * Sessions that one connection may have: Azure's SDKs multiplex up to 1,000 devices, with a session for each and one for their tokens.
 * Links that it may have for each device on it; bytes it may send without completing a message.
 */
const MAX_SESSIONS = 1024;
const MAX_LINKS = 16;
const MAX_WITHOUT_MESSAGE = 384 * 1024;
/** Messages of all links of a device that may wait to be handled. */
const MAX_WAITING = 4 * CREDIT;
/** Milliseconds of silence after which a connection is taken for dead; shortest heartbeat that a client may ask for. */
const LONGEST_SILENCE_MS = 10 * 60_000;
const SHORTEST_IDLE_MS = 1000;
/** Milliseconds of silence after which TCP asks whether a device that waits for messages is still there. */
const KEEP_ALIVE_MS = 60_000;
/** Bytes that may wait for a device that does not read. */
const MAX_UNREAD_BYTES = 1024 * 1024;

/** The protocol header of AMQP 1.0 itself, the answer to any that is not spoken (part 2.2). */
const AMQP_HEADER = Buffer.from([0x41, 0x4d, 0x51, 0x50, PROTOCOL.amqp, 1, 0, 0]);

/** What a connection works with. */
export interface AmqpConnectionParts {
  channel: Channel;
  /** Challenges a TPM that signs in. */
  receive: Pick<AmqpReceptionist, 'challenge'>;
  /** Who is behind the links of a connection, by the address of its first. */
  behind(address: string, means: ConnectionMeans): LinkHandler;
  clock: Clock;
  log: Logger;
  /** Milliseconds until a link to a service must be open. */
  connectTimeout: number;
  onClosed(connection: AmqpConnection): void;
}

/**
 * One AMQP 1.0 connection: framing, SASL, sessions, links, credit. What messages mean is for the service behind the links.
 * Source: AMQP 1.0 (OASIS).
 */
export class AmqpConnection implements Watched {
  readonly #parts: AmqpConnectionParts;
  readonly #guard = new FrameGuard();
  readonly #pipe: Pipe;
  readonly #identity: SaslIdentity = {};
  #amqp: Connection | undefined;
  #handler: LinkHandler | undefined;
  #letIn = false;
  #silence = LONGEST_SILENCE_MS;
  #work: Promise<void> = Promise.resolve();
  #sessions = 0;
  readonly #links = new Set<Sender | Receiver>();
  #waiting = 0;
  #sinceMessage = 0;
  #until: number;
  #ended = false;
  #cause: string | undefined;

  constructor(parts: AmqpConnectionParts) {
    this.#parts = parts;
    this.#until = parts.clock.monotonic() + parts.connectTimeout;
    const { stream } = parts.channel;
    this.#pipe = new Pipe(stream);
    stream.on('data', (chunk: Buffer) => this.#hear(chunk));
    stream.on('error', (error: Error) => {
      this.#cause ??= `the socket failed: ${error.message}`;
    });
    stream.on('close', () => this.#closed());
  }

  /** Looks at the deadlines: a link must be open soon, and something heard from time to time. */
  sweep(): void {
    const isLate = this.#parts.clock.monotonic() >= this.#until;
    if (this.#ended && isLate) this.#parts.channel.stream.destroy();
    else if (isLate) this.#end('nothing was heard in time');
    else this.#handler?.sweep?.();
  }

  get #by(): { transport: Transport; localAddress: string | undefined } {
    const { webSocket, tls } = this.#parts.channel;
    return { transport: webSocket ? 'amqp-ws' : 'amqp', localAddress: tls.localAddress };
  }

  #hear(chunk: Buffer): void {
    if (this.#ended) return;
    const problem = this.#guard.feed(chunk);
    if (problem !== undefined) {
      if (this.#amqp === undefined) this.#pipe.write(AMQP_HEADER);
      this.#end(problem);
      return;
    }
    this.#sinceMessage += chunk.length;
    if (this.#sinceMessage > MAX_WITHOUT_MESSAGE) {
      this.#end('more bytes came than any message has');
      return;
    }
    if (this.#letIn) this.#until = this.#parts.clock.monotonic() + this.#silence;
    if (this.#amqp === undefined && this.#guard.protocol !== undefined) this.#start(this.#guard.protocol);
    if (this.#amqp === undefined) {
      this.#keep(chunk);
      return;
    }
    this.#pipe.emit('data', this.#early === undefined ? chunk : Buffer.concat([this.#early, chunk]));
    this.#early = undefined;
    if (this.#parts.channel.stream.writableLength > MAX_UNREAD_BYTES) this.#end('the device does not read');
  }

  /** Bytes of a header that is not complete yet. */
  #early: Buffer | undefined;

  #keep(chunk: Buffer): void {
    this.#early = this.#early === undefined ? chunk : Buffer.concat([this.#early, chunk]);
  }

  #start(protocol: number): void {
    const { channel } = this.#parts;
    const container = createContainer({ id: 'zerotouch' });
    if (protocol === PROTOCOL.sasl) {
      const mechanisms: Record<string, () => Mechanism> = {
        PLAIN: () => this.#judged(new Plain(this.#identity)),
        TPM: () => this.#judged(new Tpm(this.#identity, (arrival) => this.#parts.receive.challenge(arrival, this.#by))),
        MSSBCBS: () => this.#judged(new Later()),
        ANONYMOUS: () => this.#judged(new Later()),
        EXTERNAL: () => this.#judged(new External(() => presentedCertificate(channel.tls) !== undefined)),
      };
      // Asked for a mechanism it does not know, the library would leave the connection open.
      container.sasl_server_mechanisms = new Proxy(mechanisms, {
        get: (known, name) => Reflect.get(known, name) ?? (() => this.#judged(new Unknown())),
      });
    }
    container.on('connection_open', ({ connection }: EventContext) => {
      const idle = connection.remote?.open?.idle_time_out ?? 0;
      if (idle > 0 && idle < SHORTEST_IDLE_MS) this.#end('heartbeats were asked for at a senseless rate');
    });
    container.on('session_open', () => {
      this.#sessions++;
      if (this.#sessions > MAX_SESSIONS) this.#end('more sessions came than one connection may have');
    });
    container.on('session_close', ({ session }: EventContext) => this.#sessionEnded(session));
    container.on('sender_open', ({ sender }: EventContext) => this.#attach(sender));
    container.on('receiver_open', ({ receiver }: EventContext) => this.#attach(receiver));
    container.on('message', (context: EventContext) => this.#message(context));
    container.on('accepted', (context: EventContext) => this.#settled(context, 'accepted'));
    container.on('rejected', (context: EventContext) => this.#settled(context, 'rejected'));
    for (const event of ['released', 'modified']) container.on(event, (context: EventContext) => this.#settled(context, 'released'));
    container.on('sender_flow', ({ sender }: EventContext) => sender !== undefined && this.#handler?.flow?.(sender));
    container.on('sendable', ({ sender }: EventContext) => sender !== undefined && this.#handler?.flow?.(sender));
    container.on('sender_close', ({ sender }: EventContext) => this.#detached(sender));
    container.on('receiver_close', ({ receiver }: EventContext) => this.#detached(receiver));
    container.on('protocol_error', (error: Error) => this.#end(`a frame breaks the protocol: ${error.message}`));
    container.on('error', (error: Error) => this.#end(`a frame cannot be read: ${error.message}`));
    // The library complains to the console about what nobody listens to.
    for (const event of ['connection_error', 'session_error', 'sender_error', 'receiver_error', 'disconnected'])
      container.on(event, () => {});
    const amqp = container.create_connection({
      port: 0,
      reconnect: false,
      max_frame_size: MAX_FRAME,
      channel_max: MAX_SESSIONS - 1,
      disable_sasl: protocol === PROTOCOL.amqp,
      receiver_options: { autoaccept: false, credit_window: 0 },
      session_buffer_size: 64,
    } as Parameters<typeof container.create_connection>[0]);
    // Not among the library's declarations: its own listener calls it with an accepted socket.
    (amqp as unknown as { accept(socket: unknown): void }).accept(this.#pipe);
    this.#amqp = amqp;
  }

  /** Ends the connection when a mechanism says no: the library would wait for the client to go. */
  #judged(mechanism: Mechanism): Mechanism {
    const judge = (challenge: Buffer | undefined): Buffer | undefined => {
      if (mechanism.outcome === false) setImmediate(() => this.#end('the SASL exchange failed'));
      return challenge;
    };
    return {
      get outcome() {
        return mechanism.outcome;
      },
      start: async (response, hostname) => judge(await mechanism.start(response, hostname)),
      step: async (response) => judge(await mechanism.step?.(response)),
    };
  }

  #attach(link: Sender | Receiver | undefined): void {
    if (link === undefined) return;
    this.#links.add(link);
    if (this.#links.size > MAX_LINKS * this.#devices) {
      this.#end('more links came than one connection may have');
      return;
    }
    const incoming = link.is_receiver();
    // Both ends of a link name both its addresses: Azure's library in C takes an answer that lacks one for a refusal.
    if (link.source !== undefined) link.set_source(link.source);
    if (link.target !== undefined) link.set_target(link.target);
    const given: unknown = incoming ? link.target?.address : link.source?.address;
    const address = typeof given === 'string' ? given : '';
    this.#handler ??= this.#parts.behind(address, this.#means());
    this.#handler.attach(link, address);
  }

  #message({ message, delivery, receiver }: EventContext): void {
    if (message === undefined || delivery === undefined || receiver === undefined) return;
    this.#sinceMessage = 0;
    this.#waiting++;
    if (this.#waiting > MAX_WAITING * this.#devices) {
      this.#end('more messages came than were asked for');
      return;
    }
    const whole = decodedMessage(message);
    if (whole === undefined) {
      delivery.reject({ condition: 'amqp:decode-error', description: 'what came is no AMQP message' });
      receiver.add_credit(1);
    } else this.#handler?.message({ message: whole, delivery, receiver });
    this.#enqueue(async () => {
      this.#waiting--;
    });
  }

  #settled({ delivery }: EventContext, outcome: Outcome): void {
    if (delivery !== undefined) this.#handler?.settled?.(delivery, outcome);
  }

  /** Devices that the connection has room for by what it showed so far. */
  get #devices(): number {
    return Math.max(1, this.#handler?.devices ?? 1);
  }

  /** A session is gone, and its links with it, of which the library says nothing. */
  #sessionEnded(session: Session | undefined): void {
    this.#sessions--;
    const { links = {} } = (session ?? {}) as { links?: Record<string, Sender | Receiver> };
    for (const link of Object.values(links)) this.#detached(link);
  }

  /** A link is gone: its client may open another. */
  #detached(link: Sender | Receiver | undefined): void {
    if (link === undefined || !this.#links.delete(link)) return;
    this.#handler?.detached?.(link);
  }

  #means(): ConnectionMeans {
    const { channel, clock, log } = this.#parts;
    return {
      ...this.#by,
      identity: this.#identity,
      clock,
      log,
      hostname: () => this.#amqp?.remote?.open?.hostname ?? (channel.tls as { servername?: string }).servername,
      certificate: () => presentedCertificate(channel.tls),
      enqueue: (task) => this.#enqueue(task),
      letIn: (mayBeQuiet) => {
        this.#letIn = true;
        this.#silence = mayBeQuiet ? Number.POSITIVE_INFINITY : LONGEST_SILENCE_MS;
        this.#until = clock.monotonic() + this.#silence;
        if (mayBeQuiet && channel.tls instanceof TLSSocket) channel.tls.setKeepAlive(true, KEEP_ALIVE_MS);
      },
      end: (cause) => this.#end(cause),
    };
  }

  #enqueue(task: () => Promise<void>): void {
    this.#work = this.#work
      .then(async () => {
        if (!this.#ended) await task();
      })
      .catch((error: unknown) => {
        this.#parts.log.error({ err: error }, 'a message could not be handled');
        this.#end('the cloud failed to handle a message');
      });
  }

  #end(cause: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cause ??= cause;
    this.#until = this.#parts.clock.monotonic() + LINGER_MS;
    this.#pipe.end();
  }

  #closed(): void {
    this.#ended = true;
    const cause = this.#cause ?? 'the connection was lost';
    this.#parts.log.debug({ cause }, 'a connection closed');
    this.#handler?.closed?.(cause);
    // The library hears of the end in any case, so that it stops its heartbeats.
    this.#pipe.emit('end');
    this.#parts.onClosed(this);
  }
}
