import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls';
import rhea, { type AmqpError, type Connection, type EventContext, type Message, type Receiver, type Sender } from 'rhea';
import { createWebSocketStream, WebSocketServer } from 'ws';
import { type Authority, makeAuthority } from './certificates.js';

/** One message of a device, and the means to answer it. */
export interface AmqpRequest {
  readonly message: Message;
  /** What the device asks for: the twin operation, or `put-token`, or DPS's operation; `undefined` for telemetry. */
  readonly operation: string | undefined;
  accept(): void;
  reject(error: Partial<AmqpError> & { info?: object }): void;
  /** A message back, over the link of the same address. */
  reply(answer: Partial<Message>): void;
  /** Ends the TCP connection. */
  drop(): void;
}

/** What to do at each step of a device. What is not named goes as AMQP and Azure have it. */
export interface AmqpManners {
  /** SASL PLAIN: whether the password is taken. */
  readonly plain?: () => boolean;
  readonly opened?: (connection: Connection, drop: () => void) => void;
  /** A link that the device attaches, by its address: to be closed again, say. */
  readonly attached?: (link: Sender | Receiver, address: string, drop: () => void) => void;
  readonly asked?: (request: AmqpRequest) => void;
}

/** A TLS server that speaks AMQP, or AMQP over WebSocket, with whatever manners a test gives it. Well-mannered it is DPS and a hub. */
export class CrookedAmqp {
  manners: AmqpManners = {};
  readonly authority: Authority;
  readonly #server: Server | TlsServer;
  readonly #open = new Set<Socket>();
  readonly #connections: { readonly amqp: Connection; readonly drop: () => void }[] = [];
  readonly #container = rhea.create_container({ id: 'crooked' });
  #watchers: (() => void)[] = [];
  #asked = 0;

  private constructor(authority: Authority, server: Server | TlsServer, webSocket: boolean) {
    this.authority = authority;
    this.#server = server;
    this.#mind();
    server.on('connection', (socket: Socket) => {
      socket.setNoDelay(true);
      this.#open.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#open.delete(socket);
        this.#changed();
      });
    });
    server.on('tlsClientError', () => undefined);
    if (!webSocket) {
      server.on('secureConnection', (socket: TLSSocket) => this.#welcome(socket));
      return;
    }
    const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => 'AMQPWSB10' });
    server.on('upgrade', (request, socket, head) =>
      sockets.handleUpgrade(request, socket, head, (peer) => this.#welcome(createWebSocketStream(peer))),
    );
  }

  /** @param onlyInvited refuses, in TLS, whoever shows no certificate of a CA it knows */
  static async start(webSocket: boolean, onlyInvited = false): Promise<CrookedAmqp> {
    const authority = await makeAuthority('Test root');
    const { certificate: cert, privateKey: key } = await authority.issue('Test server', { names: ['localhost'], addresses: ['127.0.0.1'] });
    const options = { cert, key, requestCert: true, rejectUnauthorized: onlyInvited };
    const server = new CrookedAmqp(authority, webSocket ? createServer(options) : createTlsServer(options), webSocket);
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The connection that came last. */
  get latest(): { readonly amqp: Connection; readonly drop: () => void } {
    const last = this.#connections.at(-1);
    if (last === undefined) throw new Error('nobody has come');
    return last;
  }

  /** Forgets what has been heard. */
  forget(): void {
    this.#asked = 0;
  }

  /** Resolves when devices have sent so many messages. */
  asked(count = 1): Promise<void> {
    return this.#until(() => this.#asked >= count);
  }

  /** Resolves when no device holds a socket any more. */
  empty(): Promise<void> {
    return this.#until(() => this.#open.size === 0);
  }

  /** Stops listening and forgets who is there. */
  async close(): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #mind(): void {
    const container = this.#container;
    const mechanisms = container.sasl_server_mechanisms as unknown as {
      enable_anonymous(): void;
      enable_plain(taken: () => boolean): void;
    };
    mechanisms.enable_anonymous();
    mechanisms.enable_plain(() => this.manners.plain?.() ?? true);
    container.on('connection_open', ({ connection }: EventContext) => {
      this.manners.opened?.(connection, this.#dropOf(connection));
      this.#changed();
    });
    container.on('sender_open', ({ sender, connection }: EventContext) => this.#attach(sender, connection));
    container.on('receiver_open', ({ receiver, connection }: EventContext) => this.#attach(receiver, connection));
    container.on('message', (context: EventContext) => this.#hear(context));
    // The library complains to the console about what nobody listens to.
    for (const event of ['connection_error', 'session_error', 'sender_error', 'receiver_error', 'protocol_error', 'error', 'disconnected'])
      container.on(event, () => undefined);
  }

  #welcome(stream: Duplex): void {
    stream.on('error', () => undefined);
    const amqp = this.#container.create_connection({
      port: 0,
      reconnect: false,
      receiver_options: { autoaccept: false, credit_window: 0 },
    } as Parameters<typeof rhea.create_connection>[0]);
    this.#connections.push({ amqp, drop: () => stream.destroy() });
    // Not among the library's declarations: its own listener calls it with an accepted socket.
    (amqp as unknown as { accept(socket: unknown): void }).accept(stream);
    this.#changed();
  }

  #dropOf(connection: Connection): () => void {
    return this.#connections.find(({ amqp }) => amqp === connection)?.drop ?? (() => undefined);
  }

  #attach(link: Sender | Receiver | undefined, connection: Connection): void {
    if (link === undefined) return;
    const incoming = link.is_receiver();
    if (incoming) link.set_target(link.target);
    else link.set_source(link.source);
    if (incoming) (link as Receiver).add_credit(10);
    this.manners.attached?.(link, addressOf(link), this.#dropOf(connection));
    this.#changed();
  }

  #hear({ message, delivery, receiver, connection }: EventContext): void {
    if (message === undefined || delivery === undefined || receiver === undefined) return;
    const back = connection.find_sender((sender: Sender) => addressOf(sender) === addressOf(receiver));
    const { operation } = { ...message.message_annotations, ...message.application_properties };
    const request: AmqpRequest = {
      message,
      operation: operation ?? message.application_properties?.['iotdps-operation-type'],
      accept: () => delivery.accept(),
      reject: (error) => delivery.reject(error as AmqpError),
      reply: (answer) => back?.send({ correlation_id: message.correlation_id ?? message.message_id, ...answer } as Message),
      drop: this.#dropOf(connection),
    };
    receiver.add_credit(1);
    if (this.manners.asked === undefined) behave(request);
    else this.manners.asked(request);
    this.#asked++;
    this.#changed();
  }

  #until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!condition()) return;
        this.#watchers = this.#watchers.filter((other) => other !== look);
        resolve();
      };
      this.#watchers.push(look);
      look();
    });
  }

  #changed(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }
}

/** A body as Azure's clients read it: one data section. */
export function bodyOf(text: string | object): Message['body'] {
  return rhea.message.data_section(Buffer.from(typeof text === 'string' ? text : JSON.stringify(text)));
}

/** An empty twin. */
const twin = { desired: { $version: 1 }, reported: { $version: 1 } };

const assigned = { assignedHub: 'hub-weu.azure-devices.net', deviceId: 'dev-1', status: 'assigned', registrationId: 'dev-1' };

/** What DPS and a hub answer on a good day. */
export function behave({ operation, accept, reply }: AmqpRequest): void {
  accept();
  if (operation === 'put-token') reply({ application_properties: { 'status-code': 200, 'status-description': 'OK' } });
  else if (operation === 'GET') reply({ message_annotations: { status: 200 }, body: bodyOf(twin) });
  else if (operation === 'PATCH') reply({ message_annotations: { status: 200, version: 2 }, body: bodyOf('') });
  else if (operation === 'PUT') reply({ message_annotations: { status: 200 }, body: bodyOf('') });
  else if (operation === 'iotdps-register') reply({ body: bodyOf({ operationId: 'op', status: 'assigned', registrationState: assigned }) });
}

function addressOf(link: Sender | Receiver): string {
  const given: unknown = link.is_receiver() ? link.target?.address : link.source?.address;
  return typeof given === 'string' ? given : '';
}
