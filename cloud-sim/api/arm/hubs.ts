import type { HubTier } from '@zerotouch/azure-wire/hub-rates';
import type { Entropy } from '@zerotouch/foundation/entropy';
import { canonicalRegion } from '../../dps/latency.js';
import type { Hub } from '../../hub/hub.js';
import type { HubPark } from '../../hub/park.js';
import { deviceStatistics } from '../../hub/statistics.js';
import { DEFAULT_GROUP, type HubRecord, type PolicyRecord } from '../../store/store.js';
import { bareEtag, generatedKey, resourceEtag } from '../../unique.js';
import { ArmError, managerError } from './errors.js';
import type { ResourceGroups } from './groups.js';
import { MAX_UNITS, readHubBody, type WantedHub } from './hub-body.js';
import type { Operations } from './operations.js';
import { pageOf } from './pages.js';
import { policyNamed, shownPolicy } from './policies.js';
import { type ArmCall, type ArmRoute, collectionUrls, PROVIDER, resourceId, sameName } from './route.js';
import { notFound, readName, readTags } from './services.js';

const TYPE = 'IotHubs';
const SUFFIX = '.azure-devices.net';
const NAME = /^(?![0-9]+$)[a-z0-9][a-z0-9-]{1,48}[a-z0-9]$/i;

/** What the resources are made of. */
export interface HubResourcesParts {
  park: HubPark;
  groups: ResourceGroups;
  operations: Operations;
  entropy: Entropy;
}

/** IoT hubs as resources. Source: swagger of Microsoft.Devices/IotHubs. */
export function hubRoutes(parts: HubResourcesParts): ArmRoute[] {
  const { park, operations, entropy } = parts;
  const { ofSubscription, ofGroup } = collectionUrls(TYPE);
  const one = `${ofGroup}/:name`;
  return [
    {
      method: 'POST',
      url: `/subscriptions/:subscription/providers/${PROVIDER}/checkNameAvailability`,
      answer: async ({ body }) => ({ body: nameAvailability(readName(body), park) }),
    },
    {
      method: 'GET',
      url: `/subscriptions/:subscription/providers/${PROVIDER}/usages`,
      answer: async (call) => ({ body: { value: usages(park, call.subscription) } }),
    },
    {
      method: 'GET',
      url: ofSubscription,
      answer: async (call) => pageOf(shownAll(park, call), `/subscriptions/${call.subscription}/providers/${PROVIDER}/${TYPE}`, call),
    },
    {
      method: 'GET',
      url: ofGroup,
      answer: async (call) =>
        pageOf(
          shownAll(park, call, (await parts.groups.need(call.subscription, call.group)).name),
          `/subscriptions/${call.subscription}/resourceGroups/${call.group}/providers/${PROVIDER}/${TYPE}`,
          call,
        ),
    },
    { method: 'GET', url: one, answer: async (call) => ({ body: shownHub(hubOf(park, call).record) }) },
    { method: 'PUT', url: one, answer: (call) => put(call, parts) },
    {
      method: 'PATCH',
      url: one,
      answer: async (call) => {
        const { host } = hubOf(park, call);
        const tags = readTags(call.body);
        const fresh = resourceEtag(entropy);
        return { body: shownHub(await park.change(host, (record) => ({ ...record, tags, etag: fresh }))) };
      },
    },
    {
      method: 'DELETE',
      url: one,
      answer: async (call) => {
        const hub = findHub(park, call.name);
        if (hub === undefined || !isIn(hub.record, call)) return { status: 204 };
        const { id } = shownHub(hub.record);
        await park.remove(hub.host);
        return { status: 202, headers: operations.begun(id, call) };
      },
    },
    { method: 'GET', url: `${one}/operationresults/:part`, answer: async (call) => operations.answer(call) },
    {
      method: 'POST',
      url: `${one}/listkeys`,
      answer: async (call) => ({ body: { value: hubOf(park, call).record.policies.map(shownPolicy) } }),
    },
    {
      method: 'POST',
      url: `${one}/IotHubKeys/:part/listkeys`,
      answer: async (call) => ({ body: shownPolicy(policyNamed(hubOf(park, call).record.policies, call.part)) }),
    },
    { method: 'GET', url: `${one}/skus`, answer: async (call) => ({ body: { value: skus(hubOf(park, call).record) } }) },
    {
      method: 'GET',
      url: `${one}/IotHubStats`,
      answer: async (call) => ({ body: await deviceStatistics(hubOf(park, call)) }),
    },
  ];
}

async function put(call: ArmCall, parts: HubResourcesParts) {
  const { park, groups, operations, entropy } = parts;
  const wanted = readHubBody(call.body);
  const group = await groups.need(call.subscription, call.group);
  const there = findHub(park, call.name);
  const etag = call.ifMatch === undefined ? wanted.etag : etagIn(call.ifMatch);
  if (there === undefined && etag !== undefined)
    throw new ArmError(412, 'PreconditionFailed', 'an etag was given, and there is no such hub');
  if (there === undefined) {
    const { reason, message } = nameAvailability(call.name, park);
    if (reason === 'Invalid') throw new ArmError(400, 'InvalidResourceName', message ?? '');
    const spec = { host: `${call.name}${SUFFIX}`, region: canonicalRegion(wanted.location), subscription: group.subscription };
    const { tier, units, tags = {}, properties } = wanted;
    await park.create({ ...spec, resourceGroup: group.name, tier, units, tags, properties, etag: resourceEtag(entropy) });
  } else checkPlace(there.record, wanted, call);
  const { host } = there ?? hubOf(park, call);
  const record = await park.change(host, (current) => changed(current, wanted, there === undefined ? undefined : etag, entropy));
  const body = shownHub(record);
  return { status: there === undefined ? 201 : 200, headers: operations.begun(body.id, call), body };
}

function changed(
  current: HubRecord,
  { tier, units, tags, policies, properties }: WantedHub,
  etag: string | undefined,
  entropy: Entropy,
): HubRecord {
  if (etag !== undefined && etag !== '*' && bareEtag(etag) !== bareEtag(etagOf(current))) {
    throw new ArmError(412, 'PreconditionFailed', `the hub has changed since it was read: its etag is ${etagOf(current)}`);
  }
  return {
    ...current,
    tier,
    units,
    tags: tags ?? {},
    properties: { ...current.properties, ...properties },
    etag: resourceEtag(entropy),
    ...(policies === undefined ? {} : { policies: policies.map((policy) => completed(policy, current, entropy)) }),
  };
}

function completed(
  policy: Pick<PolicyRecord, 'name' | 'rights'> & Partial<PolicyRecord>,
  { policies }: HubRecord,
  entropy: Entropy,
): PolicyRecord {
  const known = policies.find(({ name }) => name === policy.name);
  return { primaryKey: generatedKey(entropy), secondaryKey: generatedKey(entropy), ...known, ...policy };
}

function checkPlace(record: HubRecord, { location }: WantedHub, call: ArmCall): void {
  if (!isIn(record, call)) throw new ArmError(409, 'NameAlreadyTaken', `there is a hub ${JSON.stringify(call.name)} elsewhere`);
  if (canonicalRegion(location) !== canonicalRegion(record.region)) {
    throw managerError(409, 'InvalidResourceLocation', `the hub is in ${record.region}: a resource cannot move to ${location}`);
  }
}

// az 2.45 sends the header's name and value as Python prints a dictionary.
function etagIn(header: string): string | undefined {
  const text = /^\{'if-match': '?([^']*?)'?\}$/i.exec(header.trim())?.[1] ?? header;
  return text === '' || text === 'None' ? undefined : text;
}

function nameAvailability(name: string, park: HubPark): { nameAvailable: boolean; reason?: 'Invalid' | 'AlreadyExists'; message?: string } {
  if (!NAME.test(name)) {
    return {
      nameAvailable: false,
      reason: 'Invalid',
      message: 'a hub name has 3 to 50 letters, digits and dashes, not digits alone, and no dash at its ends',
    };
  }
  if (findHub(park, name) === undefined) return { nameAvailable: true };
  return { nameAvailable: false, reason: 'AlreadyExists', message: `IotHub name '${name}' is not available` };
}

function findHub(park: HubPark, name: string): Hub | undefined {
  const label = name.toLowerCase();
  return park.running.get(`${label}${SUFFIX}`) ?? [...park.running.values()].find(({ host }) => host.split('.')[0] === label);
}

function hubOf(park: HubPark, call: ArmCall): Hub {
  const hub = findHub(park, call.name);
  if (hub !== undefined && isIn(hub.record, call)) return hub;
  throw notFound(call, TYPE);
}

function isIn({ subscription, resourceGroup = DEFAULT_GROUP }: HubRecord, { subscription: wanted, group }: ArmCall): boolean {
  return sameName(subscription, wanted) && sameName(resourceGroup, group);
}

function shownAll(park: HubPark, { subscription }: ArmCall, group?: string): { id: string }[] {
  const records = [...park.running.values()].map(({ record }) => record).filter((record) => sameName(record.subscription, subscription));
  return records.filter(({ resourceGroup = DEFAULT_GROUP }) => group === undefined || sameName(resourceGroup, group)).map(shownHub);
}

/** Of a hub that was never written by the resource manager, the same each time. */
function etagOf({ etag = 'AAAAAAAAAAE=' }: HubRecord): string {
  return etag;
}

/** A hub as a resource. `resourcegroup` and `subscriptionid` are not in the swagger: az takes the group from there when it is told none. */
function shownHub(record: HubRecord): { id: string } {
  const { host, region, subscription, resourceGroup = DEFAULT_GROUP, tags = {}, tier = 'S1', units = 1, properties = {} } = record;
  const name = host.split('.')[0] ?? host;
  const location = canonicalRegion(region);
  return {
    id: resourceId({ subscription, resourceGroup }, TYPE, name),
    ...{
      name,
      type: `${PROVIDER}/${TYPE}`,
      location,
      tags,
      etag: etagOf(record),
      resourcegroup: resourceGroup,
      subscriptionid: subscription,
      properties: {
        locations: [{ location, role: 'primary' }],
        state: 'Active',
        provisioningState: 'Succeeded',
        hostName: host,
        routing: { endpoints: { serviceBusQueues: [], serviceBusTopics: [], eventHubs: [], storageContainers: [] }, routes: [] },
        storageEndpoints: {},
        messagingEndpoints: {},
        enableFileUploadNotifications: false,
        features: 'None',
        ...properties,
        eventHubEndpoints: { events: eventsOf(name, properties.eventHubEndpoints) },
      },
      sku: { name: tier, tier: tierOf(tier), capacity: units },
    },
  };
}

// There is no Event Hub behind it: the endpoint can be resolved by nobody.
function eventsOf(name: string, told: unknown): object {
  const { events = {} } = (told ?? {}) as { events?: { retentionTimeInDays?: number; partitionCount?: number } };
  const { retentionTimeInDays = 1, partitionCount = 4 } = events;
  const partitionIds = Array.from({ length: partitionCount }, (_, index) => String(index));
  return { retentionTimeInDays, partitionCount, partitionIds, path: name, endpoint: 'sb://not-served.invalid/' };
}

function tierOf(size: HubTier): 'Free' | 'Basic' | 'Standard' {
  return size === 'F1' ? 'Free' : size.startsWith('B') ? 'Basic' : 'Standard';
}

function skus({ tier = 'S1' }: HubRecord): object[] {
  const family = (Object.keys(MAX_UNITS) as HubTier[]).filter((size) => tierOf(size) === tierOf(tier));
  return family.map((size) => ({
    resourceType: `${PROVIDER}/${TYPE}`,
    sku: { name: size, tier: tierOf(size) },
    capacity: { minimum: 1, maximum: MAX_UNITS[size], default: 1, scaleType: size === 'F1' ? 'None' : 'Manual' },
  }));
}

function usages(park: HubPark, subscription: string): object[] {
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
