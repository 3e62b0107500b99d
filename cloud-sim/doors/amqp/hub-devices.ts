import { hubErrors } from '@zerotouch/azure-wire/errors';
import type { Delivery, Receiver, Sender } from 'rhea';
import { type Identity, identityKey } from '../../hub/identity.js';
import type { HubSession } from '../../hub/session.js';
import { DeviceLinks } from './hub-device-links.js';
import type { ConnectionMeans, Incoming, Outcome, Refusal } from './links.js';

type Link = Sender | Receiver;

/** A device on the connection: its own links, and until when its credentials hold. */
interface Guest {
  key: string;
  links: DeviceLinks;
  open: Set<Link>;
  /** Milliseconds since 1970. */
  expiresAt: number;
  /** Let in by the token of a policy, and not by its own. */
  byPolicy: boolean;
}

/**
 * The devices on one AMQP connection: one as a rule, and then the connection is that device's and ends with it; many where a gateway
 * multiplexes, each with a token of its own or all by that of a policy, and then each comes and goes alone.
 * Source: Azure's SDKs for C, Java and .NET, which multiplex over AMQP.
 */
export class HubDevices {
  readonly #means: ConnectionMeans;
  readonly #guests = new Map<string, Guest>();
  readonly #owners = new Map<Link, Guest>();

  constructor(means: ConnectionMeans) {
    this.#means = means;
  }

  get count(): number {
    return this.#guests.size;
  }

  has(identity: Identity): boolean {
    return this.#guests.has(identityKey(identity));
  }

  /** A device signed in. One that is here already has shown a newer token: its links are left alone. @param expiresAt milliseconds since 1970 */
  welcome(session: HubSession, expiresAt: number, byPolicy: boolean): void {
    const key = identityKey(session.identity);
    const known = this.#guests.get(key);
    if (known !== undefined) {
      Object.assign(known, { expiresAt, byPolicy });
      return;
    }
    const links = new DeviceLinks(session, { ...this.#means, end: (cause) => this.#leave(key, cause) });
    this.#guests.set(key, { key, links, open: new Set(), expiresAt, byPolicy });
  }

  /** The policy that let devices in showed a newer token. @param expiresAt milliseconds since 1970 */
  renew(expiresAt: number): void {
    for (const guest of this.#guests.values()) if (guest.byPolicy) guest.expiresAt = expiresAt;
  }

  /** Opens a link of a device. @returns why not, or `undefined` */
  attach(identity: Identity, link: Link, path: readonly string[]): Refusal | undefined {
    const guest = this.#guests.get(identityKey(identity));
    if (guest === undefined) return { entry: hubErrors.unauthorizedAccess, text: 'the device is not on the connection' };
    const refused = guest.links.attach(link, path);
    if (refused !== undefined) return refused;
    guest.open.add(link);
    this.#owners.set(link, guest);
    return undefined;
  }

  owns(link: Link): boolean {
    return this.#owners.has(link);
  }

  async message(incoming: Incoming): Promise<void> {
    await this.#owners.get(incoming.receiver)?.links.message(incoming);
  }

  settled(delivery: Delivery, outcome: Outcome): void {
    this.#owners.get(delivery.link)?.links.settled(delivery, outcome);
  }

  flow(sender: Sender): void {
    this.#owners.get(sender)?.links.flow(sender);
  }

  /** A link is gone; of several devices, one whose last it was has gone with it. */
  detached(link: Link): void {
    const guest = this.#owners.get(link);
    if (guest === undefined) return;
    this.#owners.delete(link);
    guest.open.delete(link);
    guest.links.detached(link);
    if (guest.open.size === 0 && this.#guests.size > 1) this.#leave(guest.key, 'the device closed its links');
  }

  /** Sends away whose token is over. */
  sweep(): void {
    const now = this.#means.clock.now();
    for (const { key, expiresAt } of [...this.#guests.values()]) {
      if (now >= expiresAt) this.#leave(key, 'the token of the connection has expired');
    }
  }

  closed(cause: string): void {
    for (const { links } of this.#guests.values()) links.closed(cause);
    this.#guests.clear();
    this.#owners.clear();
  }

  #leave(key: string, cause: string): void {
    const guest = this.#guests.get(key);
    if (guest === undefined) return;
    if (this.#guests.size === 1) {
      this.#means.end(cause);
      return;
    }
    this.#guests.delete(key);
    for (const link of guest.open) {
      this.#owners.delete(link);
      link.close({ condition: 'amqp:link:detach-forced', description: cause });
    }
    guest.links.closed(cause);
  }
}
