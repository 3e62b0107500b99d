import { canonicalRegion } from '../../dps/latency.js';
import type { DpsPark } from '../../dps/park.js';
import type { HubPark } from '../../hub/park.js';
import { DEFAULT_GROUP, type GroupRecord, groupKey, type Store } from '../../store/store.js';
import { managerError } from './errors.js';
import { sameName } from './route.js';

/** What resource groups are made of. */
export interface ResourceGroupsParts {
  store: Store;
  dps: DpsPark;
  park: HubPark;
}

/** The subscriptions and their resource groups: those that were made, and those that a resource is in. */
export class ResourceGroups {
  readonly #parts: ResourceGroupsParts;

  constructor(parts: ResourceGroupsParts) {
    this.#parts = parts;
  }

  /** In order. */
  async subscriptions(): Promise<string[]> {
    return [...new Set((await this.#all()).map(({ subscription }) => subscription.toLowerCase()))].sort();
  }

  async list(subscription: string): Promise<GroupRecord[]> {
    return (await this.#all()).filter((group) => sameName(group.subscription, subscription));
  }

  async get(subscription: string, name: string): Promise<GroupRecord | undefined> {
    return (await this.list(subscription)).find((group) => sameName(group.name, name));
  }

  /** @throws ArmError 404 */
  async need(subscription: string, name: string): Promise<GroupRecord> {
    const group = await this.get(subscription, name);
    if (group !== undefined) return group;
    throw managerError(404, 'ResourceGroupNotFound', `Resource group '${name}' could not be found.`);
  }

  put(group: GroupRecord): Promise<GroupRecord> {
    return this.#parts.store.resourceGroups.update(groupKey(group.subscription, group.name), (current) => ({
      ...group,
      name: current?.name ?? group.name,
    }));
  }

  /** Takes a group away with everything in it. @throws CloudFault SERVICE_NEEDED, with nothing done, when the first DPS is in it */
  async remove(subscription: string, name: string): Promise<void> {
    const { store, dps, park } = this.#parts;
    const isIn = (resource: Partial<GroupOf>): boolean =>
      sameName(resource.subscription ?? '', subscription) && sameName(resource.resourceGroup ?? DEFAULT_GROUP, name);
    const services = (await Promise.all(dps.list().map((service) => service.record()))).filter(isIn);
    // The one that stays refuses before the others are gone.
    for (const { name: service } of services.sort((a) => (a.name === dps.first.name ? -1 : 1))) await dps.remove(service);
    for (const { record } of [...park.running.values()].filter(({ record }) => isIn(record))) await park.remove(record.host);
    await store.resourceGroups.delete(groupKey(subscription, name));
  }

  async #all(): Promise<GroupRecord[]> {
    const { store, dps, park } = this.#parts;
    const groups = new Map((await store.resourceGroups.list()).map((group) => [groupKey(group.subscription, group.name), group]));
    const services = await Promise.all(dps.list().map((service) => service.record()));
    for (const { subscription, resourceGroup: name = DEFAULT_GROUP, region } of [
      ...services,
      ...[...park.running.values()].map(({ record }) => record),
    ]) {
      const key = groupKey(subscription, name);
      if (!groups.has(key)) groups.set(key, { subscription, name, region: canonicalRegion(region) });
    }
    return [...groups.values()];
  }
}

interface GroupOf {
  subscription: string;
  resourceGroup: string;
}
