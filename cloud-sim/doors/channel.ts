import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';

/** A way to a client: the bytes of the protocol, and the TLS connection that carries them. */
export interface Channel {
  stream: Duplex;
  tls: TLSSocket;
  /** Whether the bytes travel in WebSocket messages. */
  webSocket: boolean;
}

/** A channel that is the TLS connection itself. */
export function plainChannel(tls: TLSSocket): Channel {
  return { stream: tls, tls, webSocket: false };
}

/** Ends a stream once what was written has left. */
export function endSoon(stream: Duplex): void {
  if (stream instanceof TLSSocket) stream.destroySoon();
  else stream.end();
}
