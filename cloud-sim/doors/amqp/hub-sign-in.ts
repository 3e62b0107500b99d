import { httpStatusOf, hubErrors } from '@zerotouch/azure-wire/errors';
import { HUB_API_VERSION } from '@zerotouch/azure-wire/hub-mqtt';
import { unescaped } from '@zerotouch/azure-wire/percent';
import { parseSas } from '@zerotouch/azure-wire/sas';
import { isFault } from '@zerotouch/foundation/fault';
import type { Hub } from '../../hub/hub.js';
import { type Identity, identityKey } from '../../hub/identity.js';
import { judgeService, rightFlaw, type ServicePrincipal } from '../../hub/rights.js';
import type { Journal } from '../../journal.js';
import { hubRefusal, unknownHub } from '../hub-refusal.js';
import type { HubDevices } from './hub-devices.js';
import { ServiceLinks } from './hub-service-links.js';
import type { ConnectionMeans, Refusal } from './links.js';

/** Who is on a connection to a hub: told by tokens on `$cbs`, by SASL PLAIN, or by the client certificate. */
export class HubSignIn {
  readonly #means: ConnectionMeans;
  readonly #hubs: ReadonlyMap<string, Hub>;
  readonly #journal: Pick<Journal, 'attempt'>;
  readonly #devices: HubDevices;
  #service: ServiceLinks | undefined;
  /** Of the service's token; milliseconds since 1970. */
  #expiresAt = Number.POSITIVE_INFINITY;
  /** Tokens that were put: of devices by their key, and of a policy that lets any device in. */
  readonly #deviceTokens = new Map<string, { hub: Hub; token: string }>();
  #policyToken: { hub: Hub; token: string } | undefined;

  /** @param devices where those that sign in are shown to */
  constructor(means: ConnectionMeans, hubs: ReadonlyMap<string, Hub>, journal: Pick<Journal, 'attempt'>, devices: HubDevices) {
    this.#means = means;
    this.#hubs = hubs;
    this.#journal = journal;
    this.#devices = devices;
  }

  /** The links of the service that signed in. */
  get service(): ServiceLinks | undefined {
    return this.#service;
  }

  /** Ends the connection of a service whose token is over. */
  sweep(): void {
    if (this.#means.clock.now() >= this.#expiresAt) this.#means.end('the token of the connection has expired');
  }

  /** Whoever's token was put. @returns why not, or `undefined` */
  async byToken(token: string): Promise<Refusal | undefined> {
    const path = resourceOf(token);
    const hub = this.#hubs.get(path[0]?.toLowerCase() ?? '');
    if (hub === undefined) return { entry: hubErrors.notFound, text: 'no hub of this name runs here' };
    const identity = deviceIn(path.slice(1));
    if (identity !== undefined) {
      const refused = await this.#signInDevice(hub, identity, token);
      if (refused === undefined) this.#deviceTokens.set(identityKey(identity), { hub, token });
      return refused;
    }
    const principal = judgeService(hub.record, token, this.#means.clock.now());
    if (!('refused' in principal) && rightFlaw(principal, 'DeviceConnect') === undefined) {
      this.#policyToken = { hub, token };
      this.#devices.renew(principal.expiresAt);
      this.#means.letIn(true);
      if (rightFlaw(principal, 'ServiceConnect') !== undefined) return undefined;
    }
    const service = this.#serviceBy(hub, principal);
    return 'refused' in service ? { entry: hubErrors.unauthorized, text: service.refused } : undefined;
  }

  /** A device that is not here: it put a token earlier, a policy's token speaks for it, it signed in by SASL PLAIN or shows a certificate. */
  async device(identity: Identity): Promise<Refusal | undefined> {
    const put = this.#deviceTokens.get(identityKey(identity)) ?? this.#policyToken;
    if (put !== undefined) return this.#signInDevice(put.hub, identity, put.token);
    const { userName, password } = this.#means.identity;
    const name = userName === undefined ? this.#means.hostname() : hubOfUser(userName);
    const hub = await this.#hubFor(name, identity);
    if (hub === undefined) return this.#nowhere(name ?? '', identity);
    return this.#signInDevice(hub, identity, password, userName === undefined ? undefined : deviceOfUser(userName));
  }

  /** A service that put no token: it signed in by SASL PLAIN as `{policy}@sas.root.{hub}`. */
  async serviceBefore(): Promise<ServiceLinks | { refused: string }> {
    const { userName = '', password } = this.#means.identity;
    const hub = this.#byName(hubOfUser(userName));
    if (hub === undefined || !/@sas\.root\./i.test(userName))
      return { refused: 'put a token on $cbs first, or sign in by SASL PLAIN as {policy}@sas.root.{hub}' };
    return this.#serviceBy(hub, judgeService(hub.record, password, this.#means.clock.now()));
  }

  async #signInDevice(hub: Hub, identity: Identity, password: string | undefined, clientId?: string): Promise<Refusal | undefined> {
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
    const byPolicy = password !== undefined && password === this.#policyToken?.token;
    this.#devices.welcome(opened.session, opened.expiresAt ?? Number.POSITIVE_INFINITY, byPolicy);
    this.#means.letIn(true);
    return undefined;
  }

  #serviceBy(hub: Hub, principal: ReturnType<typeof judgeService>): ServiceLinks | { refused: string } {
    const flaw = 'refused' in principal ? principal.refused : rightFlaw(principal, 'ServiceConnect');
    if (flaw === undefined) return this.#welcome(hub, principal as ServicePrincipal);
    this.#means.log.warn({ host: hub.host }, flaw);
    return { refused: 'Unauthorized' };
  }

  #welcome(hub: Hub, principal: ServicePrincipal): ServiceLinks {
    this.#expiresAt = principal.expiresAt;
    this.#means.letIn(true);
    this.#service ??= new ServiceLinks(hub, this.#means);
    return this.#service;
  }

  async #nowhere(host: string, { deviceId: id }: Identity): Promise<Refusal> {
    const reason = unknownHub(host, [...this.#hubs.keys()]);
    const { code } = hubErrors.notFound;
    const wire = { status: httpStatusOf(code), errorCode: code };
    await this.#journal.attempt({ service: 'hub', host, transport: this.#means.transport, id, outcome: 'refused', wire, reason });
    return { entry: hubErrors.notFound, text: reason.text };
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
export function deviceIn([devices, deviceId, modules, moduleId]: readonly string[]): Identity | undefined {
  if (devices?.toLowerCase() !== 'devices' || deviceId === undefined || deviceId === '') return undefined;
  return modules?.toLowerCase() === 'modules' && moduleId !== undefined && moduleId !== '' ? { deviceId, moduleId } : { deviceId };
}

function resourceOf(token: string): string[] {
  try {
    return parseSas(token).resource.split('/').map(unescaped);
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
