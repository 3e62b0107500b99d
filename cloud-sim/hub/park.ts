import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import type { Behaviours } from '../behaviours/behaviours.js';
import { CloudFault } from '../faults.js';
import type { Journal } from '../journal.js';
import type { LimitValues } from '../limits.js';
import { type HubAddress, hubAddress, newHub } from '../linked-hubs.js';
import type { HubSpec } from '../options.js';
import { deviceKey, type HubRecord, type PolicyRecord, type Store, type Table } from '../store/store.js';
import { generatedKey } from '../unique.js';
import { Hub } from './hub.js';

/** Names that a hub made at run time may have: the listener's certificate is good for them. */
const RUN_TIME_NAME = /^[a-z0-9](?:[a-z0-9-]{1,48})[a-z0-9]\.azure-devices\.net$/;

/** The hubs that exist in this cloud, linked to DPS or not: made, changed and removed while it runs. */
export interface HubsAdmin {
  list(): HubAddress[];
  /**
   * Makes a hub; DPS uses it once it is linked.
   * @param spec its host is a name under `azure-devices.net`, 3 to 50 letters, digits and dashes
   * @throws CloudFault BAD_OPTIONS, HUB_EXISTS
   */
  create(spec: HubSpec): Promise<HubAddress>;
  /** Takes a hub away with its devices, for later starts with the same data too; connections end. A link to it stays, and fails. @returns whether there was one */
  remove(host: string): Promise<boolean>;
  /** The hub's policies with their keys. @throws CloudFault UNKNOWN_HUB */
  policies(host: string): PolicyRecord[];
  /** Makes a policy or changes its rights; keys left out are kept or generated. @throws CloudFault UNKNOWN_HUB */
  putPolicy(host: string, policy: Pick<PolicyRecord, 'name' | 'rights'> & Partial<PolicyRecord>): Promise<PolicyRecord>;
  /** @returns whether there was one. @throws CloudFault UNKNOWN_HUB */
  deletePolicy(host: string, name: string): Promise<boolean>;
  /** Gives a policy a new key: whoever uses the old one is refused, DPS too. @throws CloudFault UNKNOWN_HUB, UNKNOWN_POLICY */
  rotateKey(host: string, policy: string, which: 'primary' | 'secondary'): Promise<PolicyRecord>;
  /** Whether DPS gets an answer from the hub. @throws CloudFault UNKNOWN_HUB */
  setReachable(host: string, reachable: boolean): Promise<void>;
}

/** What a hub is as a resource of Azure; everything has a default. */
export type HubResource = Pick<HubRecord, 'resourceGroup' | 'tags' | 'etag' | 'properties'>;

/** What a park is made of. */
export interface HubParkParts {
  store: Store;
  clock: Clock;
  entropy: Entropy;
  journal: Journal;
  limits: LimitValues;
  /** Default: none. */
  behaviours?: Behaviours;
}

async function clear<T>(table: Table<T>, prefix: string): Promise<void> {
  for (;;) {
    const { keys } = await table.page({ limit: 1000, prefix });
    for (const key of keys) await table.delete(key);
    if (keys.length === 0) return;
  }
}

/** The hubs that run in this process. */
export class HubPark implements HubsAdmin {
  /** By host name; changes as hubs come and go. */
  readonly running = new Map<string, Hub>();
  readonly #parts: HubParkParts;

  constructor(parts: HubParkParts) {
    this.#parts = parts;
  }

  /** Opens what the store has, and makes those of `specs` that it never had. @returns the records of `specs` that were made */
  async open(specs: readonly HubSpec[]): Promise<HubRecord[]> {
    const { store, entropy } = this.#parts;
    const known = new Set([...(await store.hubs.list()), ...(await store.removedHubs.list())].map(({ host }) => host));
    const made: HubRecord[] = [];
    for (const spec of specs) {
      if (known.has(spec.host.toLowerCase())) continue;
      const record = newHub(spec, entropy);
      made.push(await store.hubs.update(record.host, (current) => current ?? record));
    }
    const records = new Map((await store.hubs.list()).map((record) => [record.host, record]));
    // In the order they were asked for, then the others.
    for (const host of new Set([...specs.map((spec) => spec.host.toLowerCase()), ...records.keys()])) {
      const record = records.get(host);
      if (record !== undefined) await this.#run(record);
    }
    return made;
  }

  /** Ends what runs for the hubs. */
  close(): void {
    for (const hub of this.running.values()) hub.close();
  }

  list(): HubAddress[] {
    return [...this.running.values()].map(({ record }) => hubAddress(record));
  }

  async create(spec: HubSpec & HubResource): Promise<HubAddress> {
    const host = spec.host.toLowerCase();
    if (!RUN_TIME_NAME.test(host)) {
      throw new CloudFault('BAD_OPTIONS', 'the hub cannot have this name', {
        seen: spec.host,
        expected: '3 to 50 letters, digits and dashes, and .azure-devices.net',
      });
    }
    const fresh = newHub(spec, this.#parts.entropy);
    const record = await this.#parts.store.hubs.update(host, (current) => {
      if (current === undefined) return fresh;
      throw new CloudFault('HUB_EXISTS', 'there is a hub of this name', { seen: host, remedy: 'hub names are taken once in all of Azure' });
    });
    await this.#parts.store.removedHubs.delete(host);
    await this.#run(record);
    return hubAddress(record);
  }

  async remove(name: string): Promise<boolean> {
    const host = name.toLowerCase();
    const hub = this.running.get(host);
    const { store } = this.#parts;
    this.running.delete(host);
    hub?.close();
    const existed = await store.together(async ({ hubs, removedHubs }) => {
      const deleted = await hubs.delete(host);
      if (deleted) await removedHubs.update(host, () => ({ host }));
      return deleted;
    });
    for (const { deviceId } of await store.devices.list(deviceKey(host, ''))) await hub?.release(deviceId);
    const mine = `${host}/`;
    await Promise.all([clear(store.configurations, mine), clear(store.feedback, mine), clear(store.hubCertificates, mine)]);
    return existed;
  }

  policies(host: string): PolicyRecord[] {
    return structuredClone([...this.#find(host).record.policies]);
  }

  async putPolicy(host: string, policy: Pick<PolicyRecord, 'name' | 'rights'> & Partial<PolicyRecord>): Promise<PolicyRecord> {
    const [primaryKey, secondaryKey] = [generatedKey(this.#parts.entropy), generatedKey(this.#parts.entropy)];
    return this.#changePolicy(host, policy.name, (current) => ({ primaryKey, secondaryKey, ...current, ...policy }));
  }

  async deletePolicy(host: string, name: string): Promise<boolean> {
    const existed = this.#find(host).record.policies.some((policy) => policy.name === name);
    await this.change(host, (record) => ({ ...record, policies: record.policies.filter((policy) => policy.name !== name) }));
    return existed;
  }

  rotateKey(host: string, name: string, which: 'primary' | 'secondary'): Promise<PolicyRecord> {
    const key = generatedKey(this.#parts.entropy);
    return this.#changePolicy(host, name, (current) => {
      if (current === undefined) {
        const expected = `one of ${this.#find(host)
          .record.policies.map((policy) => policy.name)
          .join(', ')}`;
        throw new CloudFault('UNKNOWN_POLICY', 'the hub has no such policy', { where: host, seen: name, expected });
      }
      return { ...current, [which === 'primary' ? 'primaryKey' : 'secondaryKey']: key };
    });
  }

  async setReachable(host: string, reachable: boolean): Promise<void> {
    await this.change(host, (record) => ({ ...record, reachable }));
  }

  async #changePolicy(host: string, name: string, change: (current: PolicyRecord | undefined) => PolicyRecord): Promise<PolicyRecord> {
    const record = await this.change(host, (current) => {
      const known = current.policies.some((policy) => policy.name === name);
      const next = change(current.policies.find((policy) => policy.name === name));
      const policies = known ? current.policies.map((policy) => (policy.name === name ? next : policy)) : [...current.policies, next];
      return { ...current, policies };
    });
    return structuredClone(record.policies.find((policy) => policy.name === name) as PolicyRecord);
  }

  /** Changes what is known of a hub. @throws CloudFault UNKNOWN_HUB, and what `change` throws */
  async change(name: string, change: (record: HubRecord) => HubRecord): Promise<HubRecord> {
    const hub = this.#find(name);
    const record = await this.#parts.store.hubs.update(hub.host, (current) => change(current ?? hub.record));
    hub.renew(record);
    return record;
  }

  #find(name: string): Hub {
    const hub = this.running.get(name.toLowerCase());
    if (hub !== undefined) return hub;
    throw new CloudFault('UNKNOWN_HUB', 'no hub of this name runs here', {
      seen: name,
      expected: `one of ${[...this.running.keys()].join(', ')}`,
    });
  }

  async #run(record: HubRecord): Promise<void> {
    const hub = new Hub({ record, ...this.#parts });
    this.running.set(record.host, hub);
    await hub.messages.load();
  }
}
