import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { generate, type Packet, parser } from 'mqtt-packet';
import { type Authority, type Credentials, makeAuthority } from './certificates.js';

/** One device's connection, as a crooked server sees it. */
export class Guest {
  readonly received: Packet[] = [];
  constructor(readonly socket: TLSSocket) {}

  send(packet: Packet): void {
    if (!this.socket.destroyed) this.socket.write(generate(packet, { protocolVersion: 4 }));
  }

  publish(topic: string, body: string | object): void {
    const payload = typeof body === 'string' ? body : JSON.stringify(body);
    this.send({ cmd: 'publish', topic, payload, qos: 0, dup: false, retain: false });
  }

  drop(): void {
    this.socket.destroy();
  }
}

/** What to do with each packet of a device. One that is not named is answered as MQTT wants; `quiet` is for one that is not. */
export type Manners = { [Command in Packet['cmd']]?: (guest: Guest, packet: Extract<Packet, { cmd: Command }>) => void };

/** To name a packet in {@link Manners} that gets no answer. */
export const quiet = (): void => undefined;

/** A TLS server that speaks MQTT with whatever manners a test gives it. It asks for client certificates and lets everybody in. */
export class CrookedServer {
  manners: Manners = {};
  /** Every connection that made it through TLS, oldest first. */
  readonly guests: Guest[] = [];
  readonly authority: Authority;
  readonly #server: Server;
  readonly #open = new Set<object>();
  #watchers: (() => void)[] = [];

  private constructor(authority: Authority, credentials: Credentials, onlyInvited: boolean) {
    this.authority = authority;
    this.#server = createServer({
      cert: credentials.certificate,
      key: credentials.privateKey,
      requestCert: true,
      rejectUnauthorized: onlyInvited,
    });
    this.#server.on('connection', (socket) => {
      this.#open.add(socket);
      socket.on('close', () => {
        this.#open.delete(socket);
        this.#changed();
      });
    });
    this.#server.on('tlsClientError', () => undefined);
    this.#server.on('secureConnection', (socket) => this.#welcome(socket));
  }

  /** @param onlyInvited refuses, in TLS, whoever shows no certificate of a CA it knows */
  static async start(names = ['localhost'], addresses = ['127.0.0.1'], onlyInvited = false): Promise<CrookedServer> {
    const authority = await makeAuthority('Test root');
    const server = new CrookedServer(authority, await authority.issue('Test server', { names, addresses }), onlyInvited);
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Resolves when a condition holds; it is looked at whenever something happens here. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): boolean => {
        if (!condition()) return false;
        resolve();
        return true;
      };
      if (!look()) {
        const watcher = (): void => {
          if (look()) this.#watchers = this.#watchers.filter((other) => other !== watcher);
        };
        this.#watchers.push(watcher);
      }
    });
  }

  /** Resolves when some device has sent such a packet. */
  heard(command: Packet['cmd'], count = 1): Promise<void> {
    return this.until(() => this.guests.flatMap((guest) => guest.received).filter((packet) => packet.cmd === command).length >= count);
  }

  /** Resolves when no device holds a socket any more. */
  empty(): Promise<void> {
    return this.until(() => this.#open.size === 0);
  }

  /** Stops listening and forgets who is there. */
  async close(): Promise<void> {
    for (const guest of this.guests) guest.drop();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #welcome(socket: TLSSocket): void {
    const guest = new Guest(socket);
    this.guests.push(guest);
    const parse = parser({ protocolVersion: 4 });
    parse.on('packet', (packet: Packet) => {
      guest.received.push(packet);
      this.#answer(guest, packet);
      this.#changed();
    });
    parse.on('error', () => socket.destroy());
    socket.on('data', (bytes) => parse.parse(bytes));
    socket.on('error', () => undefined);
    this.#changed();
  }

  #answer(guest: Guest, packet: Packet): void {
    const own = this.manners[packet.cmd] as ((guest: Guest, packet: Packet) => void) | undefined;
    if (own === undefined) behave(guest, packet);
    else own(guest, packet);
  }

  #changed(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }
}

/** What a proper server answers to a packet. */
export function behave(guest: Guest, packet: Packet): void {
  const { messageId = 0 } = packet;
  if (packet.cmd === 'connect') guest.send({ cmd: 'connack', returnCode: 0, sessionPresent: false });
  if (packet.cmd === 'subscribe') guest.send({ cmd: 'suback', messageId, granted: packet.subscriptions.map(({ qos }) => qos) });
  if (packet.cmd === 'unsubscribe') guest.send({ cmd: 'unsuback', messageId, granted: [] });
  if (packet.cmd === 'publish' && packet.qos === 1) guest.send({ cmd: 'puback', messageId });
  if (packet.cmd === 'pingreq') guest.send({ cmd: 'pingresp' });
  if (packet.cmd === 'disconnect') guest.socket.end();
}
