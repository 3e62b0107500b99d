import { constants } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import type { Logger } from 'pino';
import { CloudFault } from '../faults.js';
import type { ServerIdentity } from './authority.js';

/** How a listener is opened. */
export interface ListenerParts {
  host: string;
  /** 0 takes a free one. */
  port: number;
  identity: ServerIdentity;
  /** Milliseconds a TLS handshake may take. */
  handshakeTimeout: number;
  log: Logger;
  /** Gets each connection whose handshake is done. */
  accept(socket: TLSSocket): void;
}

/** A TLS listener that asks for client certificates and knows all its sockets. */
export class Listener {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #closed: Promise<void> | undefined;

  private constructor({ identity, handshakeTimeout, log, accept }: ListenerParts) {
    this.#server = createServer({
      cert: identity.certificate,
      key: identity.privateKey,
      minVersion: 'TLSv1.2',
      requestCert: true,
      // Whom to trust is for DPS and the hubs to decide, not for TLS.
      rejectUnauthorized: false,
      // A resumed session proves no possession of a key: every handshake is a full one.
      secureOptions: constants.SSL_OP_NO_TICKET,
      handshakeTimeout,
    });
    this.#server.on('connection', (socket: Socket) => this.#track(socket));
    this.#server.on('tlsClientError', (error) => log.debug({ err: error }, 'a TLS handshake failed'));
    this.#server.on('secureConnection', (socket) => {
      this.#track(socket);
      socket.setNoDelay(true);
      try {
        accept(socket);
      } catch (error) {
        log.error({ err: error }, 'a connection could not be taken');
        socket.destroy();
      }
    });
  }

  /** @throws CloudFault PORT_IN_USE */
  static async open(parts: ListenerParts): Promise<Listener> {
    const listener = new Listener(parts);
    const server = listener.#server;
    server.listen(parts.port, parts.host);
    try {
      await once(server, 'listening');
    } catch (cause) {
      throw new CloudFault('PORT_IN_USE', 'the port cannot be listened on', {
        where: `${parts.host}:${parts.port}`,
        remedy: 'choose another port, or 0 for a free one',
        cause,
      });
    }
    server.on('error', (error) => parts.log.error({ err: error }, 'the TLS listener failed'));
    return listener;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** Stops listening and ends every socket; resolves when they are gone. */
  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      this.#server.close(() => resolve());
      for (const socket of this.#sockets) socket.destroy();
    });
    return this.#closed;
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    // Without a listener, a reset connection would end the process.
    socket.on('error', () => {});
  }
}
