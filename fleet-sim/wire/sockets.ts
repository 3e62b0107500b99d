import { isIP } from 'node:net';
import { connect, type PeerCertificate, type TLSSocket } from 'node:tls';
import type { LineRequest } from '@zerotouch/firmware-sim/transport/wire-line';
import type { Clock } from '@zerotouch/foundation/clock';
import { Addresses } from './addresses.js';
import type { Contexts } from './contexts.js';
import { ServerNames } from './server-names.js';

/** How sockets are opened. */
export interface SocketParts {
  readonly contexts: Contexts;
  readonly clock: Clock;
  /** Addresses of ours to connect from, in turn: each has its own ephemeral ports. Empty: the system chooses. */
  readonly sourceAddresses?: readonly string[];
}

/** Opens the TLS connections of many devices, each with its own certificate. */
export class Sockets {
  readonly #parts: SocketParts;
  readonly #names = new ServerNames();
  readonly #addresses = new Addresses();
  #next = 0;

  constructor(parts: SocketParts) {
    this.#parts = parts;
  }

  /** The address to connect to. @throws the resolver's own error */
  addressOf(host: string): string | Promise<string> {
    return this.#addresses.of(host, this.#parts.clock.monotonic());
  }

  /**
   * Begins a connection; `secureConnect` tells that the server has proved who it is.
   * @throws what `node:tls` says of a certificate or key it cannot use
   */
  dial({ host, port, ca, attestation }: LineRequest, address: string): TLSSocket {
    const socket: TLSSocket = connect({
      host: address,
      port,
      ...this.#source(),
      secureContext: this.#parts.contexts.of(attestation, ca),
      // An address is checked against the certificate's addresses, and SNI may not carry one (RFC 6066).
      ...(isIP(host) === 0 ? { servername: host } : {}),
      rejectUnauthorized: true,
      checkServerIdentity: () => this.#names.judge(socket, host),
    });
    // The runtime asks for the whole chain as an object and hands it to the check above, which has no use for it.
    socket.getPeerCertificate = () => ({}) as PeerCertificate as never;
    socket.setNoDelay(true);
    return socket;
  }

  #source(): { localAddress?: string } {
    const { sourceAddresses = [] } = this.#parts;
    const localAddress = sourceAddresses[this.#next++ % Math.max(1, sourceAddresses.length)];
    return localAddress === undefined ? {} : { localAddress };
  }
}
