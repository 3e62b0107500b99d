import { sameBytes } from '@zerotouch/azure-wire/keys';
import { z } from 'zod';
import { CloudFault } from '../faults.js';
import type { LimitValues } from '../limits.js';
import { type HubAddress, hubConnectionString, OWNER_POLICY } from '../linked-hubs.js';
import { listed } from '../reasons.js';
import { type HubRecord, type LinkRecord, type PolicyRecord, SERVICE_KEY, type ServiceRecord, type Tables } from '../store/store.js';

/** A hub linked to DPS, as operators see it. */
export interface LinkedHub {
  host: string;
  region: string;
  /** With the key masked, as Azure shows it. */
  connectionString: string;
  allocationWeight: number;
  applyAllocationPolicy: boolean;
}

/** How much a linked hub gets. */
export interface LinkSettings {
  /** 1 to 1000, default 1; 0 gets nothing. */
  allocationWeight?: number;
  /** Default true. */
  applyAllocationPolicy?: boolean;
}

/** The hubs that DPS assigns devices to, and its default policy. Source: iot-dps/how-to-manage-linked-iot-hubs. */
export interface LinkedHubs {
  list(): Promise<LinkedHub[]>;
  /**
   * Links a hub of any subscription and region, or links it anew with another policy or key.
   * @throws CloudFault BAD_LINK (no connection string, wrong key, missing right: named), UNKNOWN_HUB, LIMIT_REACHED
   */
  link(connectionString: string, settings?: LinkSettings): Promise<LinkedHub>;
  /** @throws CloudFault UNKNOWN_LINK, BAD_LINK */
  update(host: string, settings: LinkSettings): Promise<LinkedHub>;
  /** Devices that are there stay as they are. @returns whether it was linked */
  unlink(host: string): Promise<boolean>;
  allocationPolicy(): Promise<ServiceRecord['allocationPolicy']>;
  /** Of enrolments that name no policy. @throws CloudFault BAD_LINK for `custom`, which is for enrolments only */
  setAllocationPolicy(policy: ServiceRecord['allocationPolicy']): Promise<void>;
}

/** What DPS does at a hub, and so must be allowed to. RegistryWrite carries RegistryRead. */
export const NEEDED_RIGHTS = ['RegistryRead', 'RegistryWrite', 'ServiceConnect'] as const;

/** The rights of {@link NEEDED_RIGHTS} that a policy lacks. */
export function missingRights({ rights }: Pick<PolicyRecord, 'rights'>): (typeof NEEDED_RIGHTS)[number][] {
  return NEEDED_RIGHTS.filter((right) => !rights.includes(right) && !(right === 'RegistryRead' && rights.includes('RegistryWrite')));
}

/** What keeps DPS from acting at a hub by a policy and its key, or `undefined`. Pure. */
export function accessFlaw(hub: HubRecord, { keyName, key }: Pick<LinkRecord, 'keyName' | 'key'>): string | undefined {
  const policy = hub.policies.find(({ name }) => name === keyName);
  if (policy === undefined) return `the hub has no policy ${JSON.stringify(keyName)} any more`;
  const given = Buffer.from(key, 'base64');
  if (![policy.primaryKey, policy.secondaryKey].some((own) => sameBytes(Buffer.from(own, 'base64'), given))) {
    return `the key of policy ${JSON.stringify(keyName)} is not the one that the hub has now`;
  }
  const missing = missingRights(policy);
  return missing.length === 0 ? undefined : `policy ${JSON.stringify(keyName)} lacks ${missing.join(', ')}`;
}

const settingsSchema = z.strictObject({
  allocationWeight: z.int().min(0).max(1000).optional(),
  applyAllocationPolicy: z.boolean().optional(),
});

/** Keeps the links of DPS in the store. */
export class Links implements LinkedHubs {
  readonly #store: Tables;
  readonly #limits: LimitValues;

  constructor({ store, limits }: { store: Tables; limits: LimitValues }) {
    this.#store = store;
    this.#limits = limits;
  }

  async list(): Promise<LinkedHub[]> {
    return (await this.#store.links.list()).map(shown);
  }

  async link(connectionString: string, settings: LinkSettings = {}): Promise<LinkedHub> {
    const { host, keyName, key } = readHubConnectionString(connectionString);
    const { allocationWeight, applyAllocationPolicy } = readSettings(settings);
    const hub = await this.#store.hubs.get(host);
    if (hub === undefined) {
      const names = (await this.#store.hubs.list()).map((other) => other.host);
      throw new CloudFault('UNKNOWN_HUB', 'there is no hub of this name', { seen: host, expected: `one of ${listed(names)}` });
    }
    const flaw = accessFlaw(hub, { keyName, key });
    if (flaw !== undefined) {
      throw new CloudFault('BAD_LINK', `DPS could do nothing at the hub: ${flaw}`, {
        where: host,
        expected: `a policy with ${NEEDED_RIGHTS.join(', ')} (RegistryWrite carries RegistryRead) and its present key`,
        remedy: `use ${OWNER_POLICY}, which has all rights`,
      });
    }
    const count = await this.#store.links.count();
    const link = await this.#store.links.update(host, (current) => {
      if (current === undefined && count >= this.#limits.linkedHubs) {
        throw new CloudFault('LIMIT_REACHED', 'no more hubs can be linked', {
          seen: String(count),
          expected: `at most ${this.#limits.linkedHubs}`,
        });
      }
      return {
        host,
        region: hub.region,
        keyName,
        key,
        allocationWeight: allocationWeight ?? current?.allocationWeight ?? 1,
        applyAllocationPolicy: applyAllocationPolicy ?? current?.applyAllocationPolicy ?? true,
      };
    });
    return shown(link);
  }

  /** Links hubs of this very cloud by their owner's policy, at its start. */
  async linkOwn(hubs: readonly HubAddress[]): Promise<void> {
    for (const { connectionString } of hubs) await this.link(connectionString);
  }

  async update(name: string, settings: LinkSettings): Promise<LinkedHub> {
    const host = name.toLowerCase();
    const { allocationWeight, applyAllocationPolicy } = readSettings(settings);
    const link = await this.#store.links.update(host, (current) => {
      if (current === undefined) throw new CloudFault('UNKNOWN_LINK', 'the hub is not linked', { seen: name });
      return {
        ...current,
        allocationWeight: allocationWeight ?? current.allocationWeight,
        applyAllocationPolicy: applyAllocationPolicy ?? current.applyAllocationPolicy,
      };
    });
    return shown(link);
  }

  unlink(host: string): Promise<boolean> {
    return this.#store.links.delete(host.toLowerCase());
  }

  async allocationPolicy(): Promise<ServiceRecord['allocationPolicy']> {
    return (await this.#store.service.get(SERVICE_KEY))?.allocationPolicy ?? 'hashed';
  }

  async setAllocationPolicy(policy: ServiceRecord['allocationPolicy']): Promise<void> {
    const parsed = z.enum(['hashed', 'geoLatency', 'static']).safeParse(policy);
    if (!parsed.success) {
      throw new CloudFault('BAD_LINK', 'this cannot be the policy of the whole service', {
        seen: policy,
        expected: 'hashed, geoLatency or static; custom is for single enrolments',
      });
    }
    await this.#store.service.update(SERVICE_KEY, (current) => current && { ...current, allocationPolicy: parsed.data });
  }
}

function shown({ host, region, keyName, allocationWeight, applyAllocationPolicy }: LinkRecord): LinkedHub {
  return { host, region, connectionString: hubConnectionString(host, keyName, '****'), allocationWeight, applyAllocationPolicy };
}

function readSettings(settings: LinkSettings): LinkSettings {
  const result = settingsSchema.safeParse(settings);
  if (result.success) return settings;
  const issue = result.error.issues[0];
  throw new CloudFault('BAD_LINK', issue?.message ?? 'the setting is invalid', {
    where: issue?.path.join('.') ?? '',
    expected: 'allocationWeight 1 to 1000 (0: nothing), applyAllocationPolicy true or false',
  });
}

/**
 * Takes the connection string of a hub policy apart; the host in lower case.
 * @throws CloudFault BAD_LINK, without the key in it
 */
export function readHubConnectionString(text: string): { host: string; keyName: string; key: string } {
  const parts = new Map(
    text.split(';').map((part): [string, string] => {
      const equals = part.indexOf('=');
      return [part.slice(0, equals).trim().toLowerCase(), part.slice(equals + 1).trim()];
    }),
  );
  const [host, keyName, key] = [parts.get('hostname'), parts.get('sharedaccesskeyname'), parts.get('sharedaccesskey')];
  if (host && keyName && key) return { host: host.toLowerCase(), keyName, key };
  throw new CloudFault('BAD_LINK', 'the text is no connection string of a hub policy', {
    expected: 'HostName=..;SharedAccessKeyName=..;SharedAccessKey=..',
    remedy: `take the one of ${OWNER_POLICY}`,
  });
}
