import type { ServerIdentity } from '../authority.js';

/** The descriptor of the way back to the cloud, in the process of a front. */
export const WAY_DESCRIPTOR = 4;

/** What a front is told first. */
export interface FrontOrders {
  /** Secret. */
  identity: ServerIdentity;
  /** Milliseconds. */
  handshakeTimeout: number;
  /** What each door agrees on by ALPN; empty: nothing. */
  doors: readonly (readonly string[])[];
}

/** What a front is told: orders, or the door of the connection that comes with it. */
export type FrontMessage = FrontOrders | { door: number };

/** What a front tells of a connection whose TLS handshake is done. */
export interface Arrival {
  /** Which door it came to. */
  door: number;
  /** The address it reached. */
  localAddress: string | undefined;
  /** What the client has proved in this very handshake: the leaf, then what came after it; base64 of DER. Empty: nothing. */
  certificates: string[];
}
