import { readFile } from 'node:fs/promises';
import { Agent } from 'node:https';
import { dirname, resolve } from 'node:path';
import { buildSas } from '@zerotouch/azure-wire/sas';
import { Fault } from '@zerotouch/foundation/fault';
import type { CloudState } from '../state-file.js';
import { type Answer, type Call, callService, NO_CLOUD, type Place } from './rest.js';

/** A resource of the resource manager, as far as every verb knows it. */
export interface Resource {
  id: string;
  name: string;
  location: string;
  etag?: string;
  resourcegroup: string;
  properties: Record<string, unknown>;
}

/** A shared access policy with its keys: secrets. */
export interface Policy {
  keyName: string;
  primaryKey: string;
  secondaryKey: string;
  /** With commas. */
  rights: string;
}

/** The service API of one DPS or hub. */
export interface ServiceApi {
  host: string;
  /** The policy that calls are signed with. */
  policy: Pick<Policy, 'keyName' | 'primaryKey'>;
  call(call: Call): Promise<Answer>;
}

/** The kinds of resources, each with what it is called to people and in options. */
export const KINDS = {
  dps: { type: 'provisioningServices', apiVersion: '2021-10-15', words: 'DPS', option: '--dps-name', serviceVersion: '2021-10-01' },
  hub: { type: 'IotHubs', apiVersion: '2021-07-02', words: 'IoT hub', option: '--hub-name', serviceVersion: '2021-04-12' },
} as const;
export type Kind = keyof typeof KINDS;

const TOKEN_SECONDS = 3600;

/** A running local cloud: its resource manager, and the service APIs behind it. Close it after use. */
export class LocalCloud {
  readonly state: CloudState;
  /** PEM. */
  readonly ca: string;
  readonly #place: Place;
  #token: Promise<string> | undefined;

  private constructor(state: CloudState, ca: string, signal?: AbortSignal) {
    this.state = state;
    this.ca = ca;
    const agent = new Agent({ ca, keepAlive: true });
    this.#place = { origin: state.arm.endpoint, agent, ...(signal === undefined ? {} : { signal }) };
  }

  /**
   * Finds the local cloud by the file that it wrote.
   * @param signal ends calls that are under way
   * @throws Fault NO_LOCAL_CLOUD
   */
  static async open(file: string, signal?: AbortSignal): Promise<LocalCloud> {
    const refuse = (summary: string): never => {
      throw new Fault('NO_LOCAL_CLOUD', summary, { where: file, remedy: NO_CLOUD });
    };
    const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => refuse(`there is no local cloud (${error.code})`));
    let state: CloudState | undefined;
    try {
      state = JSON.parse(text) as CloudState;
    } catch {
      // Told below. The parser's own message quotes the text, and the text holds keys.
    }
    if (state?.arm === undefined || state.ca === undefined) return refuse('the file does not say how the resource manager is reached');
    const ca = await readFile(resolve(dirname(file), state.ca), 'utf8').catch(() => refuse('its CA certificate cannot be read'));
    return new LocalCloud(state, ca, signal);
  }

  close(): void {
    this.#place.agent.destroy();
  }

  /** Calls the resource manager. @throws Fault of {@link callService} */
  async manage(kind: Kind, path: string, { headers = {}, ...call }: Omit<Call, 'path'> = {}): Promise<unknown> {
    this.#token ??= this.#signIn();
    const authorization = `Bearer ${await this.#token}`;
    // The link to a further page has its version in it.
    const versioned = path.includes('?') ? path : `${path}?api-version=${KINDS[kind].apiVersion}`;
    const { body } = await callService(this.#place, { ...call, path: versioned, headers: { authorization, ...headers } });
    return body;
  }

  /** Every resource of a kind, of all subscriptions; or of one group. */
  async list(kind: Kind, group?: string): Promise<Resource[]> {
    const found: Resource[] = [];
    for (const subscription of await this.#subscriptions()) {
      found.push(...(await this.#pages<Resource>(kind, `/subscriptions/${subscription}/providers/Microsoft.Devices/${KINDS[kind].type}`)));
    }
    return found.filter(({ resourcegroup }) => group === undefined || sameName(resourcegroup, group));
  }

  /**
   * A resource by its name or host name; without one, the only one that there is.
   * @throws Fault UNKNOWN_RESOURCE that names those there are
   */
  async find(kind: Kind, name?: string, group?: string): Promise<Resource> {
    const all = await this.list(kind, group);
    const label = name?.split('.')[0] ?? '';
    const [one, another] = name === undefined ? all : all.filter((resource) => sameName(resource.name, label));
    if (one !== undefined && another === undefined) return one;
    const { words, option } = KINDS[kind];
    const names = all.map((resource) => resource.name).join(', ');
    throw new Fault(
      'UNKNOWN_RESOURCE',
      name === undefined ? `there is more than one ${words}, or none: say which` : `there is no ${words} of this name`,
      {
        where: option,
        ...(name === undefined ? {} : { seen: name }),
        expected: names === '' ? `a ${words}, and ${group === undefined ? 'this cloud' : 'this group'} has none` : `one of ${names}`,
      },
    );
  }

  /** The path that new resources of a group are made under. @throws Fault UNKNOWN_RESOURCE */
  async groupPath(kind: Kind, group?: string): Promise<{ path: string; location: string }> {
    const groups: Pick<Resource, 'id' | 'name' | 'location'>[] = [];
    for (const subscription of await this.#subscriptions())
      groups.push(...(await this.#pages<Resource>(kind, `/subscriptions/${subscription}/resourceGroups`)));
    const found = group === undefined ? groups[0] : groups.find(({ name }) => sameName(name, group));
    if (found !== undefined) return { path: `${found.id}/providers/Microsoft.Devices/${KINDS[kind].type}`, location: found.location };
    throw new Fault('UNKNOWN_RESOURCE', 'there is no resource group of this name', {
      where: '--resource-group',
      seen: group,
      expected: `one of ${groups.map(({ name }) => name).join(', ')}`,
    });
  }

  /** The shared access policies of a resource, with their keys. */
  async policies(kind: Kind, { id }: Resource): Promise<Policy[]> {
    const { value } = (await this.manage(kind, `${id}/listkeys`, { method: 'POST' })) as { value: Policy[] };
    return value;
  }

  /** The service API of a resource, with the policy that has most rights. */
  async service(kind: Kind, resource: Resource): Promise<ServiceApi> {
    const [policy] = (await this.policies(kind, resource)).sort((a, b) => b.rights.length - a.rights.length);
    if (policy === undefined) throw new Fault('UNKNOWN_RESOURCE', 'it has no shared access policy', { where: resource.name });
    const { serviceOperationsHostName, hostName } = resource.properties as Record<string, string>;
    return this.serviceAt(kind, (kind === 'dps' ? serviceOperationsHostName : hostName) ?? '', policy);
  }

  /** The service API at a host name, with a policy that the caller has. */
  serviceAt(kind: Kind, host: string, policy: ServiceApi['policy']): ServiceApi {
    const expiry = Date.now() / 1000 + TOKEN_SECONDS;
    const key = Buffer.from(policy.primaryKey, 'base64');
    const authorization = buildSas({ resource: host, key, expiry, keyName: policy.keyName });
    const place = { ...this.#place, host };
    return {
      host,
      policy,
      call: ({ path, headers, ...call }) =>
        callService(place, {
          ...call,
          path: `${path}${path.includes('?') ? '&' : '?'}api-version=${KINDS[kind].serviceVersion}`,
          headers: { authorization, ...headers },
        }),
    };
  }

  async #pages<Item>(kind: Kind, first: string): Promise<Item[]> {
    const items: Item[] = [];
    for (let path: string | undefined = first; path !== undefined; ) {
      const page = (await this.manage(kind, path)) as { value: Item[]; nextLink?: string };
      items.push(...page.value);
      path = page.nextLink === undefined ? undefined : new URL(page.nextLink).pathname + new URL(page.nextLink).search;
    }
    return items;
  }

  async #subscriptions(): Promise<string[]> {
    const { value } = (await this.manage('dps', '/subscriptions')) as { value: { subscriptionId: string }[] };
    return value.map(({ subscriptionId }) => subscriptionId);
  }

  async #signIn(): Promise<string> {
    const { endpoint, clientId, clientSecret } = this.state.arm;
    const body = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: clientId,
      client_secret: clientSecret,
      scope: `${endpoint}/.default`,
    });
    const answer = await callService(this.#place, { method: 'POST', path: '/adfs/oauth2/v2.0/token', body });
    return (answer.body as { access_token: string }).access_token;
  }
}

/** Azure's names are the same whatever their case. */
export function sameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
