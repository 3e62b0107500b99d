import { z } from 'zod';
import { canonicalRegion, knownRegions } from '../../dps/latency.js';
import type { GroupRecord } from '../../store/store.js';
import { managerError } from './errors.js';
import type { ResourceGroups } from './groups.js';
import type { Operations } from './operations.js';
import { pageOf } from './pages.js';
import { type ArmRoute, PROVIDER } from './route.js';
import { TENANT } from './tokens.js';

const groupBody = z.looseObject({ location: z.string().min(1), tags: z.record(z.string(), z.string()).nullish() });
const GROUP_NAME = /^[\p{L}\p{N}_().-]{0,89}[\p{L}\p{N}_()-]$/u;

/** Tenants, subscriptions, their regions, providers and resource groups. */
export function groupRoutes(groups: ResourceGroups, operations: Operations): ArmRoute[] {
  const one = '/subscriptions/:subscription/resourceGroups/:group';
  const provider = `/subscriptions/:subscription/providers/${PROVIDER}`;
  return [
    { method: 'GET', url: '/tenants', answer: async () => ({ body: { value: [{ id: `/tenants/${TENANT}`, tenantId: TENANT }] } }) },
    {
      method: 'GET',
      url: '/subscriptions',
      answer: async () => ({ body: { value: (await groups.subscriptions()).map(shownSubscription) } }),
    },
    {
      method: 'GET',
      url: '/subscriptions/:subscription',
      answer: async ({ subscription }) => {
        const all = await groups.subscriptions();
        return { body: shownSubscription(subscription.toLowerCase(), all.indexOf(subscription.toLowerCase())) };
      },
    },
    {
      method: 'GET',
      url: '/subscriptions/:subscription/locations',
      answer: async ({ subscription }) => ({
        body: { value: knownRegions.map((name) => ({ id: `/subscriptions/${subscription}/locations/${name}`, name, displayName: name })) },
      }),
    },
    {
      method: 'GET',
      url: '/subscriptions/:subscription/providers',
      answer: async (call) => ({ body: { value: [shownProvider(call.subscription)] } }),
    },
    { method: 'GET', url: provider, answer: async ({ subscription }) => ({ body: shownProvider(subscription) }) },
    { method: 'POST', url: `${provider}/register`, answer: async ({ subscription }) => ({ body: shownProvider(subscription) }) },
    {
      method: 'GET',
      url: '/subscriptions/:subscription/resourceGroups',
      answer: async (call) =>
        pageOf((await groups.list(call.subscription)).map(shownGroup), `/subscriptions/${call.subscription}/resourcegroups`, call),
    },
    { method: 'GET', url: one, answer: async ({ subscription, group }) => ({ body: shownGroup(await groups.need(subscription, group)) }) },
    {
      method: 'HEAD',
      url: one,
      answer: async ({ subscription, group }) => ({ status: (await groups.get(subscription, group)) === undefined ? 404 : 204 }),
    },
    {
      method: 'PUT',
      url: one,
      answer: async ({ subscription, group, body }) => {
        const read = groupBody.safeParse(body);
        if (!read.success) throw managerError(400, 'LocationRequired', 'The location property is required for this definition.');
        if (!GROUP_NAME.test(group)) {
          throw managerError(
            400,
            'InvalidResourceGroup',
            'a resource group has 1 to 90 letters, digits and _ ( ) - . and does not end with a dot',
          );
        }
        const { location, tags } = read.data;
        const existed = (await groups.get(subscription, group)) !== undefined;
        const kept = await groups.put({ subscription, name: group, region: canonicalRegion(location), ...(tags ? { tags } : {}) });
        return { status: existed ? 200 : 201, body: shownGroup(kept) };
      },
    },
    {
      method: 'DELETE',
      url: one,
      answer: async (call) => {
        await groups.need(call.subscription, call.group);
        await groups.remove(call.subscription, call.group);
        return { status: 202, headers: operations.begun(`/subscriptions/${call.subscription}`, call) };
      },
    },
    { method: 'GET', url: '/subscriptions/:subscription/operationresults/:part', answer: async (call) => operations.answer(call) },
  ];
}

function shownSubscription(subscriptionId: string, index: number): object {
  return {
    id: `/subscriptions/${subscriptionId}`,
    subscriptionId,
    tenantId: TENANT,
    displayName: `zerotouch local ${index + 1}`,
    state: 'Enabled',
    subscriptionPolicies: { locationPlacementId: 'Local', quotaId: 'Local', spendingLimit: 'Off' },
    authorizationSource: 'RoleBased',
  };
}

function shownGroup({ subscription, name, region, tags }: GroupRecord): { id: string } {
  return {
    id: `/subscriptions/${subscription}/resourceGroups/${name}`,
    ...{ name, type: 'Microsoft.Resources/resourceGroups', location: region, tags, properties: { provisioningState: 'Succeeded' } },
  };
}

function shownProvider(subscription: string): object {
  const type = (resourceType: string, apiVersions: string[]): object => ({ resourceType, locations: knownRegions, apiVersions });
  return {
    id: `/subscriptions/${subscription}/providers/${PROVIDER}`,
    namespace: PROVIDER,
    registrationState: 'Registered',
    resourceTypes: [
      type('provisioningServices', ['2022-12-12', '2022-02-05', '2021-10-15']),
      type('IotHubs', ['2023-06-30', '2022-04-30-preview']),
    ],
  };
}
