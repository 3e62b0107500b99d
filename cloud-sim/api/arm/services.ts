import { GLOBAL_DPS_HOST } from '@zerotouch/azure-wire/ids';
import type { Entropy } from '@zerotouch/foundation/entropy';
import { z } from 'zod';
import { canonicalRegion } from '../../dps/latency.js';
import type { DpsPark, ProvisioningService } from '../../dps/park.js';
import { serviceHost } from '../../dps/policies.js';
import type { LimitValues } from '../../limits.js';
import { SERVICE_KEY, type ServiceRecord } from '../../store/store.js';
import { resourceEtag } from '../../unique.js';
import { armChoices } from './choices.js';
import { ArmError, managerError } from './errors.js';
import type { ResourceGroups } from './groups.js';
import type { Operations } from './operations.js';
import { pageOf } from './pages.js';
import { policyNamed, shownPolicy } from './policies.js';
import { type ArmCall, type ArmRoute, collectionUrls, PROVIDER, resourceId, sameName } from './route.js';
import { ALLOCATION_POLICIES, flawed, readServiceBody } from './service-body.js';
import { changeService } from './service-change.js';

/** Type of the resource. */
export const SERVICE_TYPE = 'provisioningServices';

/** What the resources are made of. */
export interface ServiceResourcesParts {
  dps: DpsPark;
  groups: ResourceGroups;
  operations: Operations;
  entropy: Entropy;
  limits: LimitValues;
}

/** DPS as resources. Source: swagger of Microsoft.Devices/provisioningServices. */
export function serviceRoutes(parts: ServiceResourcesParts): ArmRoute[] {
  const { dps, operations } = parts;
  const { ofSubscription, ofGroup } = collectionUrls(SERVICE_TYPE);
  const one = `${ofGroup}/:name`;
  const of = (call: ArmCall): Promise<ProvisioningService> => serviceOf(dps, call);
  const policies = async (call: ArmCall) => (await of(call)).store.policies.list();
  return [
    {
      method: 'POST',
      url: `/subscriptions/:subscription/providers/${PROVIDER}/checkProvisioningServiceNameAvailability`,
      answer: async ({ body }) => {
        const problem = dps.nameProblem(readName(body));
        if (problem === undefined) return { body: { nameAvailable: true } };
        return { body: { nameAvailable: false, reason: problem.taken ? 'AlreadyExists' : 'Invalid', message: problem.text } };
      },
    },
    {
      method: 'GET',
      url: ofSubscription,
      answer: async (call) =>
        pageOf(await shownServices(dps, call), `/subscriptions/${call.subscription}/providers/${PROVIDER}/${SERVICE_TYPE}`, call),
    },
    {
      method: 'GET',
      url: ofGroup,
      answer: async (call) =>
        pageOf(
          await shownServices(dps, call, (await parts.groups.need(call.subscription, call.group)).name),
          `/subscriptions/${call.subscription}/resourceGroups/${call.group}/providers/${PROVIDER}/${SERVICE_TYPE}`,
          call,
        ),
    },
    { method: 'GET', url: one, answer: async (call) => ({ body: await shownService(await of(call)) }) },
    { method: 'PUT', url: one, answer: (call) => put(call, parts) },
    {
      method: 'PATCH',
      url: one,
      answer: async (call) => {
        const service = await of(call);
        const tags = readTags(call.body);
        const fresh = resourceEtag(parts.entropy);
        await service.store.service.update(SERVICE_KEY, (current) => current && { ...current, tags, etag: fresh });
        return { body: await shownService(service) };
      },
    },
    {
      method: 'DELETE',
      url: one,
      answer: async (call) => {
        const service = dps.get(call.name);
        if (service === undefined || !isIn(await service.record(), call)) return { status: 204 };
        const { id } = await shownService(service);
        await dps.remove(service.name);
        return { status: 202, headers: operations.begun(id, call) };
      },
    },
    { method: 'GET', url: `${one}/operationresults/:part`, answer: async (call) => operations.answer(call) },
    { method: 'GET', url: `${one}/skus`, answer: async (call) => ({ body: { value: (await of(call)) && [{ name: 'S1' }] } }) },
    { method: 'POST', url: `${one}/listkeys`, answer: async (call) => ({ body: { value: (await policies(call)).map(shownPolicy) } }) },
    {
      method: 'POST',
      url: `${one}/keys/:part/listkeys`,
      answer: async (call) => ({ body: shownPolicy(policyNamed(await policies(call), call.part)) }),
    },
  ];
}

/** @throws ArmError 404 when there is no such DPS in this group */
export async function serviceOf(dps: DpsPark, call: ArmCall): Promise<ProvisioningService> {
  const service = dps.get(call.name);
  if (service !== undefined && isIn(await service.record(), call)) return service;
  throw notFound(call, SERVICE_TYPE);
}

/** @returns what the resource manager says of a resource that is not there */
export function notFound({ group, name }: ArmCall, type: string): ArmError {
  return managerError(404, 'ResourceNotFound', `The Resource '${PROVIDER}/${type}/${name}' under resource group '${group}' was not found.`);
}

/** The name in the body of a name check. @throws ArmError 400 */
export function readName(body: unknown): string {
  const read = z.looseObject({ name: z.string() }).safeParse(body);
  if (read.success) return read.data.name;
  throw flawed(read.error);
}

/** The tags in the body of a PATCH. @throws ArmError 400 */
export function readTags(body: unknown): Record<string, string> {
  const read = z.looseObject({ tags: z.record(z.string(), z.string()).nullish() }).safeParse(body);
  if (read.success) return read.data.tags ?? {};
  throw flawed(read.error);
}

async function put(call: ArmCall, parts: ServiceResourcesParts) {
  const { dps, groups, operations } = parts;
  const wanted = readServiceBody(call.body);
  const group = await groups.need(call.subscription, call.group);
  const region = canonicalRegion(wanted.location);
  const there = dps.get(call.name);
  if (there !== undefined) {
    const record = await there.record();
    if (!isIn(record, call)) throw new ArmError(409, 'NameAlreadyTaken', `there is a DPS ${JSON.stringify(call.name)} elsewhere`);
    if (region !== canonicalRegion(record.region)) {
      throw managerError(409, 'InvalidResourceLocation', `the DPS is in ${record.region}: a resource cannot move to ${region}`);
    }
  }
  if (there === undefined && (wanted.etag ?? call.ifMatch) !== undefined) {
    throw new ArmError(armChoices.etagOfNothing.value, 'PreconditionFailed', 'an etag was given, and there is no such DPS');
  }
  const service = there ?? (await dps.create({ name: call.name, region, subscription: group.subscription, resourceGroup: group.name }));
  try {
    await changeService(service, { ...wanted, etag: there === undefined ? undefined : (call.ifMatch ?? wanted.etag) }, parts);
  } catch (error) {
    // What could not be made as it was asked for is not made at all.
    if (there === undefined) await dps.remove(service.name);
    throw error;
  }
  const body = await shownService(service);
  return { status: there === undefined ? 201 : 200, headers: operations.begun(body.id, call), body };
}

function isIn(record: ServiceRecord, { subscription, group }: ArmCall): boolean {
  return sameName(record.subscription, subscription) && sameName(record.resourceGroup, group);
}

/** The DPS instances of a subscription as resources. @param group only those in it */
export async function shownServices(dps: DpsPark, { subscription }: ArmCall, group?: string): Promise<{ id: string }[]> {
  const found = [];
  for (const service of dps.list()) {
    const record = await service.record();
    const inGroup = group === undefined || sameName(record.resourceGroup, group);
    if (inGroup && sameName(record.subscription, subscription)) found.push(await shownService(service));
  }
  return found;
}

/** A DPS as a resource. `resourcegroup` and `subscriptionid` are not in the swagger: az takes the group from there when it is told none. */
async function shownService(service: ProvisioningService): Promise<{ id: string }> {
  const record = await service.record();
  const links = await service.links.list();
  const { name, region, subscription, resourceGroup, tags = {}, etag, idScope, capacity, allocationPolicy } = record;
  return {
    id: resourceId(record, SERVICE_TYPE, name),
    ...{
      name,
      type: `${PROVIDER}/${SERVICE_TYPE}`,
      location: region,
      tags,
      etag,
      resourcegroup: resourceGroup,
      subscriptionid: subscription,
      properties: {
        state: 'Active',
        provisioningState: 'Succeeded',
        iotHubs: links.map(({ host, region: location, ...link }) => ({ name: host, location, ...link })),
        allocationPolicy: ALLOCATION_POLICIES[allocationPolicy],
        serviceOperationsHostName: serviceHost(name),
        deviceProvisioningHostName: GLOBAL_DPS_HOST,
        idScope,
      },
      sku: { name: 'S1', tier: 'Standard', capacity },
    },
  };
}
