import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { FrontedSocket } from './fronts/fronted-socket.js';

/** A TLS connection: one that ends in this process, or in a front. */
export type Secured = TLSSocket | FrontedSocket;

/** Whether a stream is a TLS connection itself. */
export function isSecured(stream: Duplex): stream is Secured {
  return stream instanceof TLSSocket || stream instanceof FrontedSocket;
}

/** A way to a client: the bytes of the protocol, and the TLS connection that carries them. */
export interface Channel {
  stream: Duplex;
  tls: Secured;
  /** Whether the bytes travel in WebSocket messages. */
  webSocket: boolean;
}

/** A channel that is the TLS connection itself. */
export function plainChannel(tls: Secured): Channel {
  return { stream: tls, tls, webSocket: false };
}

/** Milliseconds that a client has to take what was written before its connection ended. */
export const LINGER_MS = 5000;

/** Ends a stream once what was written has left: whoever ends it looks after {@link LINGER_MS} whether that is so. */
export function endSoon(stream: Duplex): void {
  if (isSecured(stream)) stream.destroySoon();
  else stream.end();
}
