import type { HubTier } from '@zerotouch/azure-wire/hub-rates';
import { canonicalRegion } from '../../dps/latency.js';
import type { HubPark } from '../../hub/park.js';
import { DEFAULT_GROUP, type HubRecord } from '../../store/store.js';
import { MAX_UNITS } from './hub-body.js';
import { HUB_TYPE } from './hub-names.js';
import { queuesOf } from './hub-settings.js';
import { type ArmCall, PROVIDER, resourceId, sameName } from './route.js';

/** The hubs of a subscription as resources. @param group only those in it */
export function shownHubs(park: HubPark, { subscription }: ArmCall, group?: string): { id: string }[] {
  const records = [...park.running.values()].map(({ record }) => record).filter((record) => sameName(record.subscription, subscription));
  return records.filter(({ resourceGroup = DEFAULT_GROUP }) => group === undefined || sameName(resourceGroup, group)).map(shownHub);
}

/** Of a hub that was never written by the resource manager, the same each time. */
export function hubEtagOf({ etag = 'AAAAAAAAAAE=' }: HubRecord): string {
  return etag;
}

/** A hub as a resource. `resourcegroup` and `subscriptionid` are not in the swagger: az takes the group from there when it is told none. */
export function shownHub(record: HubRecord): { id: string } {
  const { host, region, subscription, resourceGroup = DEFAULT_GROUP, tags = {}, tier = 'S1', units = 1, properties = {} } = record;
  const name = host.split('.')[0] ?? host;
  const location = canonicalRegion(region);
  return {
    id: resourceId({ subscription, resourceGroup }, HUB_TYPE, name),
    ...{
      name,
      type: `${PROVIDER}/${HUB_TYPE}`,
      location,
      tags,
      etag: hubEtagOf(record),
      resourcegroup: resourceGroup,
      subscriptionid: subscription,
      properties: {
        locations: [{ location, role: 'primary' }],
        state: 'Active',
        provisioningState: 'Succeeded',
        hostName: host,
        routing: { endpoints: { serviceBusQueues: [], serviceBusTopics: [], eventHubs: [], storageContainers: [] }, routes: [] },
        storageEndpoints: {},
        enableFileUploadNotifications: false,
        features: 'None',
        ...properties,
        ...queuesOf(properties),
        eventHubEndpoints: { events: eventsOf(name, properties.eventHubEndpoints) },
      },
      sku: { name: tier, tier: tierOf(tier), capacity: units },
    },
  };
}

// There is no Event Hub behind it: the endpoint can be resolved by nobody.
function eventsOf(name: string, told: unknown): object {
  const { events } = (told ?? {}) as { events?: { retentionTimeInDays?: number | null; partitionCount?: number | null } };
  const [retentionTimeInDays, partitionCount] = [events?.retentionTimeInDays ?? 1, events?.partitionCount ?? 4];
  const partitionIds = Array.from({ length: partitionCount }, (_, index) => String(index));
  return { retentionTimeInDays, partitionCount, partitionIds, path: name, endpoint: 'sb://not-served.invalid/' };
}

/** The tier that a size belongs to. */
export function tierOf(size: HubTier): 'Free' | 'Basic' | 'Standard' {
  return size === 'F1' ? 'Free' : size.startsWith('B') ? 'Basic' : 'Standard';
}

/** The sizes that a hub can be scaled to. */
export function skus({ tier = 'S1' }: HubRecord): object[] {
  const family = (Object.keys(MAX_UNITS) as HubTier[]).filter((size) => tierOf(size) === tierOf(tier));
  return family.map((size) => ({
    resourceType: `${PROVIDER}/${HUB_TYPE}`,
    sku: { name: size, tier: tierOf(size) },
    capacity: { minimum: 1, maximum: MAX_UNITS[size], default: 1, scaleType: size === 'F1' ? 'None' : 'Manual' },
  }));
}

/** How many hubs a subscription has, and may have. */
export function usages(park: HubPark, subscription: string): object[] {
  const own = [...park.running.values()].map(({ record }) => record).filter((record) => sameName(record.subscription, subscription));
  const free = own.filter(({ tier }) => tier === 'F1').length;
  const usage = (value: string, localizedValue: string, currentValue: number, limit: number): object => ({
    id: `/subscriptions/${subscription}/providers/${PROVIDER}/usages/${value}`,
    type: `${PROVIDER}/usages`,
    unit: 'Count',
    currentValue,
    limit,
    name: { value, localizedValue },
  });
  return [usage('freeIotHubCount', 'Free IotHub Count', free, 1), usage('paidIotHubCount', 'Paid IotHub Count', own.length - free, 50)];
}
