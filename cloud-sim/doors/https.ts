import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { Duplex } from 'node:stream';
import type { TlsOptions } from 'node:tls';
import type { Logger } from 'pino';

/** What is agreed on with clients that ask for it, as Node's own server does. */
export const HTTPS_ALPN = ['http/1.1'];
/** Longest header block of a request, bytes: a SAS token and a handful of headers need far less. */
const MAX_HEADER_BYTES = 16 * 1024;
/** Milliseconds that a connection without a request is kept. */
const IDLE_MS = 60_000;

/**
 * Takes a request or leaves it to the next. Whoever takes one answers it, whatever happens.
 * @returns whether the request is taken
 */
export type HttpHandler = (request: IncomingMessage, response: ServerResponse) => boolean;

/**
 * Takes a request for another protocol (WebSocket) or leaves it to the next.
 * @returns whether the connection is taken
 */
export type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Buffer) => boolean;

/** What an HTTPS front is made of. */
export interface HttpsFrontParts {
  /** Of `tlsSettings`. */
  tls: TlsOptions;
  /** Milliseconds that a request may take. */
  requestTimeout: number;
  log: Logger;
}

/** The one HTTPS server of the cloud: services mount what they answer on it, the first that takes a request has it. */
export class HttpsFront {
  readonly server: Server;
  readonly #handlers: HttpHandler[] = [];
  readonly #upgrades: UpgradeHandler[] = [];
  readonly #log: Logger;

  constructor({ tls, requestTimeout, log }: HttpsFrontParts) {
    this.#log = log;
    this.server = createServer({
      ...tls,
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: requestTimeout,
      requestTimeout,
      keepAliveTimeout: IDLE_MS,
      connectionsCheckingInterval: Math.min(requestTimeout, 5000),
      noDelay: true,
    });
    this.server.on('request', (request, response) => this.#answer(request, response));
    this.server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
  }

  /** Adds a service; it is asked after those that were mounted before. */
  mount(handler: HttpHandler): void {
    this.#handlers.push(handler);
  }

  /** Adds a protocol that connections may be upgraded to. */
  mountUpgrade(handler: UpgradeHandler): void {
    this.#upgrades.push(handler);
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    response.on('error', (error) => this.#log.debug({ err: error }, 'an answer could not be sent'));
    try {
      if (this.#handlers.some((handler) => handler(request, response))) return;
    } catch (error) {
      this.#log.error({ err: error }, 'a request could not be handled');
      response.destroy();
      return;
    }
    response.writeHead(404, { 'content-length': 0 }).end();
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    try {
      if (this.#upgrades.some((handler) => handler(request, socket, head))) return;
    } catch (error) {
      this.#log.error({ err: error }, 'an upgrade could not be handled');
      socket.destroy();
      return;
    }
    socket.end('HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
  }
}
