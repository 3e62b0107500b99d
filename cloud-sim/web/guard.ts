import { timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** Why a request is turned away. */
export interface Turned {
  status: 401 | 403 | 421;
  code: 'FOREIGN_HOST' | 'FOREIGN_ORIGIN' | 'TOKEN_MISSING';
  message: string;
}

/** What a browser says of a request that no other page made; other clients say nothing. */
const OWN_SITES = ['none', 'same-origin'];

/**
 * Who may use the web view. Every web page that a browser has open can send requests to the loopback address, so being reached there proves
 * nothing: a request must name this very host (a name that somebody's DNS points here is turned away), must not come from another page, and,
 * where data are read or changed, must carry the token in a header that no other page can set or learn.
 */
export class Guard {
  readonly #hosts: ReadonlySet<string>;
  readonly #token: Buffer;

  constructor({ port, token }: { port: number; token: string }) {
    this.#hosts = new Set([`127.0.0.1:${port}`, `localhost:${port}`]);
    this.#token = Buffer.from(`Bearer ${token}`);
  }

  /** For everything, the page itself too. */
  judgeAddress({ host }: IncomingHttpHeaders): Turned | undefined {
    if (host !== undefined && this.#hosts.has(host)) return undefined;
    return { status: 421, code: 'FOREIGN_HOST', message: 'this server answers to 127.0.0.1 and localhost only' };
  }

  /** For data. */
  judgeCaller({ host, origin, authorization, 'sec-fetch-site': site = 'none' }: IncomingHttpHeaders): Turned | undefined {
    const foreign = (origin !== undefined && origin !== `http://${host}`) || !OWN_SITES.includes(String(site));
    if (foreign) return { status: 403, code: 'FOREIGN_ORIGIN', message: 'requests of other pages are not answered' };
    const given = Buffer.from(authorization ?? '');
    if (given.length === this.#token.length && timingSafeEqual(given, this.#token)) return undefined;
    return { status: 401, code: 'TOKEN_MISSING', message: 'open the address that zerotouch cloud --web printed, whole' };
  }
}
