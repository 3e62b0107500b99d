import { checkServerIdentity, type TLSSocket } from 'node:tls';

/** Different certificates a host may show before the oldest is forgotten. */
const MOST_KNOWN = 16;

/**
 * Whether a server's certificate carries the name of its host, answered once a certificate. OpenSSL verifies chain and dates in every handshake;
 * what Node adds, the comparison of names, comes out alike for the same bytes, and the object that it wants for it takes as long to make as a signature.
 */
export class ServerNames {
  readonly #good = new Map<string, Buffer[]>();

  /** The error of `node:tls`, or `undefined` where the certificate that this connection was shown names the host. */
  judge(socket: TLSSocket, host: string): Error | undefined {
    const leaf = socket.getPeerX509Certificate();
    if (leaf === undefined) return new Error('the server showed no certificate');
    const good = this.#good.get(host) ?? [];
    if (good.some((known) => known.equals(leaf.raw))) return undefined;
    const flaw = checkServerIdentity(host, leaf.toLegacyObject() as unknown as Parameters<typeof checkServerIdentity>[1]);
    if (flaw === undefined) this.#good.set(host, [...good.slice(1 - MOST_KNOWN), leaf.raw]);
    return flaw;
  }
}
