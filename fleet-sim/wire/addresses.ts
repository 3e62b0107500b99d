import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';

/** How long an answer is good, milliseconds. */
const GOOD_FOR_MS = 30_000;

/** Addresses of host names: thousands of devices that go to the same host ask once. */
export class Addresses {
  readonly #known = new Map<string, { address: Promise<string>; until: number }>();

  /**
   * The address of a host, IPv4 where it has one.
   * @throws the resolver's own error
   */
  of(host: string, now: number): string | Promise<string> {
    if (isIP(host) !== 0) return host;
    const known = this.#known.get(host);
    if (known !== undefined && now < known.until) return known.address;
    const address = lookup(host, { order: 'ipv4first' } as { family?: number }).then((found) => found.address);
    this.#known.set(host, { address, until: now + GOOD_FOR_MS });
    // A failure is not kept: the next device asks again.
    address.catch(() => this.#known.delete(host));
    return address;
  }
}
