import { canonicalRegistrationId } from '@zerotouch/azure-wire/ids';
import { isJsonObject, type JsonObject } from '@zerotouch/azure-wire/twin';
import type { Clock } from '@zerotouch/foundation/clock';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Cloud } from '../cloud.js';
import { placeOf } from '../dps/latency.js';
import { CloudFault } from '../faults.js';
import type { Rule } from '../reasons.js';
import { rules } from '../rules.js';
import type { Paged } from '../store/paged.js';
import type { DeviceView, EnrolmentView, HubView, Overview } from './shapes.js';
import { attemptView, enrolmentView, registrationView } from './views.js';
import type { Watch } from './watch.js';

/** What the API is made of: the doors of a cloud, and what was seen of its events. */
export interface ApiParts {
  cloud: Cloud;
  watch: Watch;
  clock: Clock;
}

const pageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  after: z.string().max(600).optional(),
  startsWith: z.string().max(200).optional(),
});
const registrationQuery = pageQuery.extend({ enrolmentGroup: z.string().max(200).optional() });
const failureQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  skip: z.coerce.number().int().min(0).default(0),
  rule: z.custom<Rule>((value) => typeof value === 'string' && Object.hasOwn(rules, value)).optional(),
});
const jsonObject = z.custom<JsonObject>(isJsonObject, { error: 'is no JSON object' });
const twinChange = z.strictObject({ desired: jsonObject.optional(), tags: jsonObject.optional(), etag: z.string() });
const methodCall = z.strictObject({
  name: z.string().min(1).max(100),
  payload: z.unknown().optional(),
  responseTimeoutMs: z.number().int().min(1).max(300_000).default(30_000),
});

/** Adds the routes that the page reads and changes the cloud by; who may call them is judged before. */
export function addApi(app: FastifyInstance, { cloud, watch, clock }: ApiParts): void {
  app.get('/api/overview', () => overview(cloud, clock));

  app.get<{ Params: { host: string } }>('/api/hubs/:host/devices', ({ params, query }) =>
    cloud.hub(params.host).devicesPage(read(pageQuery, query)),
  );

  app.get<{ Params: { id: string } }>('/api/devices/:id', ({ params }) => deviceView(cloud, params.id));

  app.patch<{ Params: { host: string; id: string } }>('/api/hubs/:host/devices/:id/twin', async ({ params: { host, id }, body }) => {
    const { desired, tags, etag } = read(twinChange, body);
    return cloud.hub(host).updateTwin(id, { ...(desired === undefined ? {} : { desired }), ...(tags === undefined ? {} : { tags }), etag });
  });

  app.post<{ Params: { host: string; id: string } }>('/api/hubs/:host/devices/:id/methods', ({ params: { host, id }, body }) =>
    cloud.hub(host).invokeMethod(id, read(methodCall, body)),
  );

  app.post<{ Params: { host: string; id: string } }>('/api/hubs/:host/devices/:id/disconnect', async ({ params: { host, id } }) => ({
    dropped: await cloud.hub(host).disconnect(id),
  }));

  app.get('/api/registrations', async ({ query }) => {
    const { items, next } = await cloud.registrationsPage(read(registrationQuery, query));
    return { items: items.map(registrationView), next };
  });

  app.get('/api/enrolments', ({ query }) => enrolments(cloud, query));

  app.get('/api/failures', ({ query }) => watch.failing(read(failureQuery, query)));
}

async function overview(cloud: Cloud, clock: Clock): Promise<Overview> {
  const links = new Map((await cloud.linkedHubs.list()).map((link) => [link.host, link]));
  const hubs = cloud.hubs.map(async ({ host, region, subscription }): Promise<HubView> => {
    const link = links.get(host);
    return {
      host,
      region,
      subscription,
      place: placeOf(region) ?? null,
      link: link === undefined ? null : { allocationWeight: link.allocationWeight, applyAllocationPolicy: link.applyAllocationPolicy },
      ...(await cloud.hub(host).counts()),
    };
  });
  return {
    idScope: cloud.dps.idScope,
    now: clock.now(),
    allocationPolicy: await cloud.linkedHubs.allocationPolicy(),
    hubs: await Promise.all(hubs),
  };
}

async function deviceView(cloud: Cloud, id: string): Promise<DeviceView> {
  const { items } = await cloud.registrationsPage({ limit: 1, startsWith: id });
  const registration = items.find(({ registrationId }) => canonicalRegistrationId(registrationId) === canonicalRegistrationId(id));
  const homes = cloud.hubs.map(async ({ host }) => {
    const hub = cloud.hub(host);
    // A device id is what DPS gave, which need not be the registration id.
    for (const deviceId of new Set([id, registration?.assignedHub === host ? (registration.deviceId ?? id) : id])) {
      const device = await hub.device(deviceId);
      if (device !== undefined) return [{ host, device, twin: await hub.twin(deviceId) }];
    }
    return [];
  });
  const view = {
    id,
    registration: registration === undefined ? null : registrationView(registration),
    homes: (await Promise.all(homes)).flat(),
    attempts: (await cloud.attempts(id)).map(attemptView),
  };
  if (view.registration !== null || view.homes.length > 0 || view.attempts.length > 0) return view;
  throw new CloudFault('UNKNOWN_DEVICE', 'nothing is known of this id: no registration, no device, no attempt', { seen: id });
}

/** Groups come first, with the first page; there are few. */
async function enrolments(cloud: Cloud, query: unknown): Promise<Paged<EnrolmentView>> {
  const wish = read(pageQuery, query);
  const { items, next } = await cloud.enrolments.individualsPage(wish);
  const groups = wish.after === undefined ? await cloud.enrolments.groups() : [];
  const shown = groups.filter(({ enrollmentGroupId }) => enrollmentGroupId.startsWith(wish.startsWith ?? ''));
  return { items: [...shown, ...items].map(enrolmentView), next };
}

function read<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new CloudFault('BAD_OPTIONS', issue?.message ?? 'is not understood', { where: issue?.path.join('.') || 'request' });
}
