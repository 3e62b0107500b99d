import { deviceStatistics } from '../../hub/statistics.js';
import { type HubChangeParts, patchHub, putHub } from './hub-change.js';
import { findHub, HUB_TYPE, hubOf, isInGroup, nameAvailability } from './hub-names.js';
import { shownHub, shownHubs, skus, usages } from './hub-shown.js';
import { pageOf } from './pages.js';
import { policyNamed, shownPolicy } from './policies.js';
import { type ArmRoute, collectionUrls, PROVIDER } from './route.js';
import { readName } from './services.js';

/** IoT hubs as resources. Source: swagger of Microsoft.Devices/IotHubs. */
export function hubRoutes(parts: HubChangeParts): ArmRoute[] {
  const { park, operations } = parts;
  const { ofSubscription, ofGroup } = collectionUrls(HUB_TYPE);
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
      answer: async (call) => pageOf(shownHubs(park, call), `/subscriptions/${call.subscription}/providers/${PROVIDER}/${HUB_TYPE}`, call),
    },
    {
      method: 'GET',
      url: ofGroup,
      answer: async (call) =>
        pageOf(
          shownHubs(park, call, (await parts.groups.need(call.subscription, call.group)).name),
          `/subscriptions/${call.subscription}/resourceGroups/${call.group}/providers/${PROVIDER}/${HUB_TYPE}`,
          call,
        ),
    },
    { method: 'GET', url: one, answer: async (call) => ({ body: shownHub(hubOf(park, call).record) }) },
    { method: 'PUT', url: one, answer: (call) => putHub(call, parts) },
    { method: 'PATCH', url: one, answer: (call) => patchHub(call, parts) },
    {
      method: 'DELETE',
      url: one,
      answer: async (call) => {
        const hub = findHub(park, call.name);
        if (hub === undefined || !isInGroup(hub.record, call)) return { status: 204 };
        const body = shownHub(hub.record);
        await park.remove(hub.host);
        return { status: 202, headers: operations.begun(body.id, call), body };
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
