import { constants } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createPlainServer, type Server as PlainServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createServer, type Server, type TlsOptions } from 'node:tls';
import type { Logger } from 'pino';
import { CloudFault } from '../faults.js';
import type { ServerIdentity } from './authority.js';
import type { Secured } from './channel.js';

/** How a listener is opened. */
export interface ListenerParts {
  /** What listens: of `tlsServer`, or an HTTPS server with `tlsSettings`. */
  server: Server;
  host: string;
  /** 0 takes a free one. */
  port: number;
  /** More addresses to be reached at, by the same port; those that the machine does not have are left out. */
  edges?: Iterable<string>;
  /** Does TLS in the server's stead, and lets it hear `secureConnection`; the server's `pauseOnConnect` must be set. */
  front?: ((socket: Socket) => void) | undefined;
  log: Logger;
}

/**
 * What every door demands of TLS: a client certificate is asked for, and whom to trust is decided behind the door.
 * @param handshakeTimeout milliseconds a TLS handshake may take
 */
export function tlsSettings(identity: ServerIdentity, handshakeTimeout: number): TlsOptions {
  return {
    cert: identity.certificate,
    key: identity.privateKey,
    minVersion: 'TLSv1.2',
    requestCert: true,
    // Whom to trust is for DPS and the hubs to decide, not for TLS.
    rejectUnauthorized: false,
    // A resumed session proves no possession of a key: every handshake is a full one.
    // What was proved in the handshake holds for the whole connection.
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
    handshakeTimeout,
  };
}

/**
 * A TLS server that hands each connection whose handshake is done to `accept`.
 * @param accept a connection it cannot take is destroyed
 */
export function tlsServer(settings: TlsOptions, accept: (socket: Secured) => void, log: Logger): Server {
  return createServer(settings).on('secureConnection', (socket: Secured) => {
    socket.setNoDelay(true);
    try {
      accept(socket);
    } catch (error) {
      log.error({ err: error }, 'a connection could not be taken');
      socket.destroy();
    }
  });
}

/** A TLS server that listens and knows all its sockets. */
export class Listener {
  readonly #server: Server;
  readonly #edges = new Map<string, PlainServer>();
  readonly #sockets = new Set<Duplex>();
  #closed: Promise<void> | undefined;

  private constructor({ server, front, log }: ListenerParts) {
    this.#server = server;
    if (front === undefined) server.on('connection', (socket: Socket) => this.#track(socket));
    else server.removeAllListeners('connection').on('connection', front);
    server.on('tlsClientError', (error) => log.debug({ err: error }, 'a TLS handshake failed'));
    // Before whoever takes the connection: it must find a socket that can fail without harm.
    server.prependListener('secureConnection', (socket) => this.#track(socket));
  }

  /** @throws CloudFault PORT_IN_USE */
  static async open(parts: ListenerParts): Promise<Listener> {
    const listener = new Listener(parts);
    const server = listener.#server;
    server.listen(parts.port, parts.host);
    try {
      await once(server, 'listening');
    } catch (cause) {
      const code = (cause as NodeJS.ErrnoException).code ?? 'unknown';
      throw new CloudFault('PORT_IN_USE', `port ${parts.port} cannot be listened on (${code})`, {
        where: `${parts.host}:${parts.port}`,
        remedy: 'choose another port, or 0 for a free one',
        cause,
      });
    }
    server.on('error', (error) => parts.log.error({ err: error }, 'the TLS listener failed'));
    await Promise.all([...(parts.edges ?? [])].map((address) => listener.#openEdge(address, parts)));
    return listener;
  }

  /** The addresses besides the first where it can be reached. */
  get edges(): ReadonlySet<string> {
    return new Set(this.#edges.keys());
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** Stops listening and ends every socket; resolves when they are gone. */
  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      for (const edge of this.#edges.values()) edge.close();
      this.#server.close(() => resolve());
      for (const socket of this.#sockets) socket.destroy();
    });
    return this.#closed;
  }

  // Only Linux has all of 127.0.0.0/8: elsewhere the region is without an edge, and everything else works.
  async #openEdge(address: string, { front, log }: ListenerParts): Promise<void> {
    const edge = createPlainServer({ pauseOnConnect: front !== undefined }, (socket) => this.#server.emit('connection', socket));
    edge.listen(this.port, address);
    try {
      await once(edge, 'listening');
    } catch (error) {
      return log.debug({ err: error, address }, 'an edge cannot be listened on');
    }
    edge.on('error', (error) => log.error({ err: error, address }, 'an edge failed'));
    this.#edges.set(address, edge);
  }

  #track(socket: Duplex): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    // Without a listener, a reset connection would end the process.
    socket.on('error', () => {});
  }
}
