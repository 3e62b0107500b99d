import type { IncomingHttpHeaders } from 'node:http';
import type { HubRate } from '@zerotouch/azure-wire/hub-rates';
import type { FastifyReply } from 'fastify';
import type { Hub } from '../../hub/hub.js';
import type { Identity } from '../../hub/identity.js';
import { runQuery } from '../../hub/query/run.js';
import type { HubRight } from '../../hub/rights.js';
import { deviceStatistics } from '../../hub/statistics.js';
import type { Match } from '../service/etags.js';
import { maybeText, objectIn } from './bodies.js';
import { runBulk } from './bulk.js';
import {
  applyContent,
  deleteConfiguration,
  getConfiguration,
  listConfigurations,
  putConfiguration,
  testQueries,
} from './configurations.js';
import { deleteDevice, deleteModule, getDevice, getModule, listDevices, listModules, putDevice, putModule } from './devices.js';
import { badArgument, noDevice, notSupported } from './errors.js';
import { readEventsRequest, streamEvents } from './events.js';
import { invokeMethod } from './methods.js';
import { getTwin, writeTwin } from './twins.js';

/** A call of the service API whose token was good. */
export interface Call {
  hub: Hub;
  /** Of the device or the configuration in the path. */
  id: string;
  moduleId: string | undefined;
  body: unknown;
  query: Record<string, unknown>;
  headers: IncomingHttpHeaders;
  match: Match;
  /** Aborted when the caller has gone. */
  gone: AbortSignal;
  reply: FastifyReply;
}

/** A path of the service API, what it needs, and how it is answered. */
export interface Route {
  method: 'GET' | 'PUT' | 'POST' | 'DELETE' | 'PATCH';
  url: string;
  right: HubRight;
  /** What it counts as. */
  rate?: HubRate;
  answer(call: Call): Promise<unknown>;
}

/** Results of a page when the caller names no number, and at most. Source: hub/iot-hub-devguide-query-language. */
const PAGE = 100;
const LARGEST_PAGE = 1000;

const read = (url: string, answer: Route['answer']): Route => ({ method: 'GET', url, right: 'RegistryRead', rate: 'registry', answer });
const write = (method: Route['method'], url: string, answer: Route['answer']): Route => ({
  method,
  url,
  right: 'RegistryWrite',
  rate: 'registry',
  answer,
});
const service = (method: Route['method'], url: string, answer: Route['answer'], rate?: HubRate): Route => ({
  method,
  url,
  right: 'ServiceConnect',
  ...(rate === undefined ? {} : { rate }),
  answer,
});
const settings = (route: Route): Route => ({ ...route, rate: 'configurations' });

const who = ({ id, moduleId }: Call): Identity => ({ deviceId: id, moduleId });

/** What a hub answers. */
export const routes: readonly Route[] = [
  read('/devices', ({ hub, query }) => listDevices(hub, query.top)),
  write('POST', '/devices', async ({ hub, body, reply }) => {
    const result = await runBulk(hub, body);
    return reply.code(result.isSuccessful ? 200 : 400).send(result);
  }),
  read('/devices/:id', ({ hub, id }) => getDevice(hub, id)),
  write('PUT', '/devices/:id', ({ hub, id, body, match }) => putDevice(hub, id, body, match)),
  write('DELETE', '/devices/:id', async ({ hub, id, match, reply }) => {
    await deleteDevice(hub, id, match);
    return reply.code(204).send();
  }),
  read('/devices/:id/modules', ({ hub, id }) => listModules(hub, id)),
  read('/devices/:id/modules/:moduleId', ({ hub, id, moduleId = '' }) => getModule(hub, id, moduleId)),
  write('PUT', '/devices/:id/modules/:moduleId', ({ hub, id, moduleId = '', body, match }) => putModule(hub, id, moduleId, body, match)),
  write('DELETE', '/devices/:id/modules/:moduleId', async ({ hub, id, moduleId = '', match, reply }) => {
    await deleteModule(hub, id, moduleId, match);
    return reply.code(204).send();
  }),
  ...['/devices/:id/commands', '/devices/:id/messages/deviceBound'].map((url) => service('DELETE', url, purge)),
  settings(
    write('POST', '/devices/:id/applyConfigurationContent', async ({ hub, id, body, reply }) => {
      await applyContent(hub, id, body);
      return reply.code(204).send();
    }),
  ),

  ...['/twins/:id', '/twins/:id/modules/:moduleId'].flatMap((url) => [
    service('GET', url, (call) => getTwin(call.hub, who(call)), 'twinReads'),
    service('PATCH', url, (call) => writeTwin(call.hub, who(call), call.body, call.match, false), 'twinUpdates'),
    service('PUT', url, (call) => writeTwin(call.hub, who(call), call.body, call.match, true), 'twinUpdates'),
    service('POST', `${url}/methods`, (call) => invokeMethod(call.hub, who(call), call.body, call.gone)),
  ]),

  service('POST', '/devices/query', query, 'queries'),
  read('/statistics/devices', ({ hub }) => deviceStatistics(hub)),
  read('/statistics/service', async ({ hub }) => ({ connectedDeviceCount: hub.lines.size })),

  settings(read('/configurations', ({ hub, query: { top } }) => listConfigurations(hub, top))),
  settings(read('/configurations/:id', ({ hub, id }) => getConfiguration(hub, id))),
  settings(write('PUT', '/configurations/:id', ({ hub, id, body, match }) => putConfiguration(hub, id, body, match))),
  settings(
    write('DELETE', '/configurations/:id', async ({ hub, id, match, reply }) => {
      await deleteConfiguration(hub, id, match);
      return reply.code(204).send();
    }),
  ),
  settings({ ...read('/configurations/testQueries', ({ body }) => testQueries(body)), method: 'POST' }),

  service('GET', '/zerotouch/events', async ({ hub, query: asked, headers, reply }) => {
    const last = headers['last-event-id'];
    const request = readEventsRequest(last === undefined ? asked : { ...asked, from: String(Number(last) + 1) });
    reply.hijack();
    await streamEvents(hub, request, reply.raw);
  }),

  ...(['GET', 'POST', 'PUT', 'DELETE'] as const).flatMap((method) =>
    ['/jobs', '/jobs/*'].map((url) =>
      service(method, url, () =>
        refuse(
          'jobs (import, export, scheduled twin updates and methods)',
          'use POST /devices for up to a hundred devices at a time, or a call a device',
        ),
      ),
    ),
  ),
  ...(['GET', 'PATCH', 'POST'] as const).map((method) =>
    service(method, '/digitaltwins/*', () => refuse('the digital twin API', 'use /twins and its methods')),
  ),
  ...(['GET', 'POST'] as const).map((method) =>
    service(method, '/messages/*', () =>
      refuse('the built-in Event Hubs endpoint', 'read GET /zerotouch/events, or zerotouch hub monitor'),
    ),
  ),
];

async function purge({ hub, id }: Call): Promise<object> {
  if ((await hub.registry.get(id)) === undefined) throw noDevice(id);
  return { deviceId: id, moduleId: null, totalMessagesPurged: await hub.messages.purge(id) };
}

async function query({ hub, body, headers, reply }: Call): Promise<unknown> {
  const text = maybeText(objectIn(body, 'the body').query, 'query');
  if (text === undefined) throw badArgument('query is missing');
  const wish = one(headers['x-ms-max-item-count']);
  const size = wish === undefined || wish === '' ? PAGE : Number(wish);
  if (!Number.isInteger(size) || size < 1) throw badArgument('x-ms-max-item-count is no positive number');
  const page = await runQuery(
    text,
    { size: Math.min(size, LARGEST_PAGE), continuation: one(headers['x-ms-continuation']) },
    hub.queryGround,
  );
  reply.header('x-ms-item-type', page.itemType);
  if (page.continuation !== undefined) reply.header('x-ms-continuation', page.continuation);
  return page.items;
}

async function refuse(what: string, instead: string): Promise<never> {
  throw notSupported(what, instead);
}

function one(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
