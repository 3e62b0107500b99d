import { httpStatusOf, hubErrors, type ServiceErrorEntry } from '@zerotouch/azure-wire/errors';
import { HUB_API_VERSION } from '@zerotouch/azure-wire/hub-mqtt';
import { parseSas } from '@zerotouch/azure-wire/sas';
import { isFault } from '@zerotouch/foundation/fault';
import type { AmqpError, Delivery, Receiver, Sender } from 'rhea';
import type { Hub } from '../../hub/hub.js';
import type { Identity } from '../../hub/identity.js';
import { identityKey } from '../../hub/identity.js';
import { judgeService, rightFlaw, type ServicePrincipal } from '../../hub/rights.js';
import type { HubSession } from '../../hub/session.js';
import type { Journal } from '../../journal.js';
import { hubRefusal, unknownHub } from '../hub-refusal.js';
import { DeviceLinks } from './hub-device-links.js';
import { hubAmqpError, textOf } from './hub-messages.js';
import { ServiceLinks } from './hub-service-links.js';
import { type ConnectionMeans, CREDIT, type Incoming, type LinkHandler, type Outcome, pathOf } from './links.js';

/** Where tokens are put. Source: AMQP CBS (OASIS, working draft). */
const CBS = '$cbs';

/** Whether an address is a hub's. */
export function isHubAddress(address: string): boolean {
  return pathOf(address) === CBS || /^(devices|messages)\//i.test(pathOf(address));
}

/** The hubs behind the links of one connection: who is there is told by a token on `$cbs`, by SASL PLAIN, or by the client certificate. */
export class HubLinks implements LinkHandler {
  readonly #means: ConnectionMeans;
  readonly #hubs: ReadonlyMap<string, Hub>;
  readonly #journal: Pick<Journal, 'attempt'>;
  #device: DeviceLinks | undefined;
  #service: ServiceLinks | undefined;
  #expiresAt = Number.POSITIVE_INFINITY;
  #reply: Sender | undefined;
  readonly #tokens = new Set<Receiver>();
  /** Links that are refused, and whether a sweep has seen them: they close once their clients can hear why. */
  readonly #refused = new Map<Sender | Receiver, { error: AmqpError; seen: boolean }>();

  constructor(means: ConnectionMeans, hubs: ReadonlyMap<string, Hub>, journal: Pick<Journal, 'attempt'>) {
    this.#means = means;
    this.#hubs = hubs;
    this.#journal = journal;
  }

  attach(link: Sender | Receiver, address: string): void {
    if (pathOf(address) === CBS) {
      if (link.is_receiver()) {
        this.#tokens.add(link as Receiver);
        (link as Receiver).add_credit(CREDIT);
      } else this.#reply = link as Sender;
      return;
    }
    this.#means.enqueue(async () => {
      const refused = await this.#open(link, address);
      if (refused !== undefined) this.#refuse(link, hubAmqpError(refused.entry, refused.text));
    });
  }

  message(incoming: Incoming): void {
    if (this.#tokens.has(incoming.receiver)) this.#means.enqueue(() => this.#putToken(incoming));
    else this.#means.enqueue(async () => (this.#device ?? this.#service)?.message(incoming));
  }

  settled(delivery: Delivery, outcome: Outcome): void {
    this.#device?.settled(delivery, outcome);
    this.#service?.settled(delivery, outcome);
  }

  flow(sender: Sender): void {
    const refused = this.#refused.get(sender);
    if (refused !== undefined) this.#close(sender, refused.error);
    this.#device?.flow(sender);
    this.#service?.flow(sender);
  }

  detached(link: Sender | Receiver): void {
    this.#refused.delete(link);
    if (link === this.#reply) this.#reply = undefined;
    this.#device?.detached(link);
    this.#service?.detached(link);
  }

  sweep(): void {
    if (this.#means.clock.now() >= this.#expiresAt) this.#means.end('the token of the connection has expired');
    for (const [link, refused] of [...this.#refused]) {
      if (refused.seen) this.#close(link, refused.error);
      refused.seen = true;
    }
    this.#service?.sweep();
  }

  closed(cause: string): void {
    this.#device?.closed(cause);
    this.#service?.closed();
  }

  /**
   * Closes a link that is not served. A client's library says that a link is open before it says that it was closed; the client can listen for
   * the latter from then on. Credit on a link that the client reads from shows that it got so far; others are told at once.
   */
  #refuse(link: Sender | Receiver, error: AmqpError): void {
    if (link.is_receiver() || (link as Sender).sendable()) link.close(error);
    else this.#refused.set(link, { error, seen: false });
  }

  #close(link: Sender | Receiver, error: AmqpError): void {
    this.#refused.delete(link);
    link.close(error);
  }

  async #open(link: Sender | Receiver, address: string): Promise<{ entry: ServiceErrorEntry; text: string } | undefined> {
    const path = pathOf(address).split('/').map(decoded);
    const identity = deviceIn(path);
    if (identity === undefined) {
      const service = this.#service ?? (await this.#signInService());
      if ('refused' in service) return { entry: hubErrors.unauthorized, text: service.refused };
      return service.attach(link, path);
    }
    const device = this.#device ?? (await this.#signInBefore(identity));
    if ('entry' in device) return device;
    if (identityKey(device.identity) !== identityKey(identity))
      return { entry: hubErrors.unauthorizedAccess, text: `the connection is that of ${identityKey(device.identity)}` };
    return device.attach(link, path.slice(identity.moduleId === undefined ? 2 : 4));
  }

  async #putToken({ message, delivery, receiver }: Incoming): Promise<void> {
    const token = textOf(message.body) ?? '';
    const refused = await this.#signInBy(token);
    delivery.accept();
    receiver.add_credit(1);
    const { message_id: id } = message;
    this.#reply?.send({
      to: textOf(message.reply_to) ?? 'cbs',
      ...(id === undefined ? {} : { correlation_id: id }),
      application_properties: {
        'status-code': refused === undefined ? 200 : httpStatusOf(refused.entry.code),
        'status-description': refused === undefined ? 'OK' : `ErrorCode:${refused.entry.message};${refused.text}`,
      },
      body: '',
    });
  }

  async #signInBy(token: string): Promise<{ entry: ServiceErrorEntry; text: string } | undefined> {
    const path = resourceOf(token);
    const hub = this.#hubs.get(path[0]?.toLowerCase() ?? '');
    if (hub === undefined) return { entry: hubErrors.notFound, text: 'no hub of this name runs here' };
    const identity = deviceIn(path.slice(1));
    if (identity !== undefined) {
      const opened = await this.#signInDevice(hub, identity, token);
      return 'entry' in opened ? opened : undefined;
    }
    const principal = judgeService(hub.record, token, this.#means.clock.now());
    const flaw = 'refused' in principal ? principal.refused : rightFlaw(principal, 'ServiceConnect');
    if (flaw !== undefined) {
      this.#means.log.warn({ host: hub.host }, flaw);
      return { entry: hubErrors.unauthorized, text: 'Unauthorized' };
    }
    this.#welcome(hub, principal as ServicePrincipal);
    return undefined;
  }

  async #signInDevice(
    hub: Hub,
    identity: Identity,
    password: string | undefined,
    clientId?: string,
  ): Promise<DeviceLinks | { entry: ServiceErrorEntry; text: string }> {
    const { transport } = this.#means;
    const opened = await hub.open(
      {
        transport,
        deviceId: identity.deviceId,
        moduleId: identity.moduleId,
        apiVersion: HUB_API_VERSION,
        clientId,
        password,
        certificate: this.#means.certificate(),
      },
      (reason) => {
        if (reason === undefined) return { status: 200 };
        const { code } = hubRefusal(reason.rule);
        return { status: httpStatusOf(code), errorCode: code };
      },
    );
    if ('reason' in opened) return { entry: hubRefusal(opened.reason.rule), text: 'Unauthorized' };
    this.#expiresAt = opened.expiresAt ?? Number.POSITIVE_INFINITY;
    this.#means.letIn(true);
    // A token put again for the same device renews the connection and leaves its links alone.
    if (this.#device !== undefined && identityKey(this.#device.identity) === identityKey(identity)) return this.#device;
    return this.#greet(opened.session);
  }

  #greet(session: HubSession): DeviceLinks {
    this.#device?.closed('another device signed in on the connection');
    this.#device = new DeviceLinks(session, this.#means);
    return this.#device;
  }

  #welcome(hub: Hub, principal: ServicePrincipal): ServiceLinks {
    this.#expiresAt = principal.expiresAt;
    this.#means.letIn(true);
    this.#service ??= new ServiceLinks(hub, this.#means);
    return this.#service;
  }

  /** A device that put no token: it signed in by SASL PLAIN or shows a certificate. */
  async #signInBefore(identity: Identity): Promise<DeviceLinks | { entry: ServiceErrorEntry; text: string }> {
    const { userName, password } = this.#means.identity;
    const name = userName === undefined ? this.#means.hostname() : hubOfUser(userName);
    const hub = await this.#hubFor(name, identity);
    if (hub === undefined) return this.#nowhere(name ?? '', identity);
    return this.#signInDevice(hub, identity, password, userName === undefined ? undefined : deviceOfUser(userName));
  }

  async #nowhere(host: string, { deviceId: id }: Identity): Promise<{ entry: ServiceErrorEntry; text: string }> {
    const reason = unknownHub(host, [...this.#hubs.keys()]);
    const { code } = hubErrors.notFound;
    const wire = { status: httpStatusOf(code), errorCode: code };
    await this.#journal.attempt({ service: 'hub', host, transport: this.#means.transport, id, outcome: 'refused', wire, reason });
    return { entry: hubErrors.notFound, text: reason.text };
  }

  /** A service that put no token: it signed in by SASL PLAIN as `{policy}@sas.root.{hub}`. */
  async #signInService(): Promise<ServiceLinks | { refused: string }> {
    const { userName = '', password } = this.#means.identity;
    const hub = this.#byName(hubOfUser(userName));
    if (hub === undefined || !/@sas\.root\./i.test(userName))
      return { refused: 'put a token on $cbs first, or sign in by SASL PLAIN as {policy}@sas.root.{hub}' };
    const principal = judgeService(hub.record, password, this.#means.clock.now());
    const flaw = 'refused' in principal ? principal.refused : rightFlaw(principal, 'ServiceConnect');
    if (flaw === undefined) return this.#welcome(hub, principal as ServicePrincipal);
    this.#means.log.warn({ host: hub.host }, flaw);
    return { refused: 'Unauthorized' };
  }

  #byName(name: string | undefined): Hub | undefined {
    const wanted = name?.toLowerCase() ?? '';
    return this.#hubs.get(wanted) ?? [...this.#hubs.values()].find(({ host }) => host.startsWith(`${wanted}.`));
  }

  /** By its host; a client that reaches the hub by a name of this machine is looked for by its device. */
  async #hubFor(name: string | undefined, { deviceId }: Identity): Promise<Hub | undefined> {
    const named = this.#byName(name);
    if (named !== undefined || (name !== undefined && name !== 'localhost' && name !== '127.0.0.1')) return named;
    for (const hub of this.#hubs.values()) if ((await hub.registry.get(deviceId)) !== undefined) return hub;
    return this.#hubs.values().next().value;
  }
}

/** `devices/{id}` or `devices/{id}/modules/{id}` at the beginning of a path. */
function deviceIn([devices, deviceId, modules, moduleId]: readonly string[]): Identity | undefined {
  if (devices?.toLowerCase() !== 'devices' || deviceId === undefined || deviceId === '') return undefined;
  return modules?.toLowerCase() === 'modules' && moduleId !== undefined && moduleId !== '' ? { deviceId, moduleId } : { deviceId };
}

function resourceOf(token: string): string[] {
  try {
    return parseSas(token).resource.split('/').map(decoded);
  } catch (error) {
    if (isFault(error)) return [];
    throw error;
  }
}

/** `{deviceId}@sas.{hub}` and `{policy}@sas.root.{hub}`. Source: hub/iot-hub-dev-guide-sas. */
function hubOfUser(userName: string): string | undefined {
  return /@sas\.(?:root\.)?([^/]+)$/i.exec(userName)?.[1];
}

/** Whom a user name is of; of a policy, which may speak for any device, `undefined`. */
function deviceOfUser(userName: string): string | undefined {
  return /@sas\.root\./i.test(userName) ? undefined : userName.replace(/@sas\.[^@]*$/i, '');
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
