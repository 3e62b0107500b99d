import type { HTTPMethods } from 'fastify';
import { armChoices } from './choices.js';
import { notServed } from './errors.js';
import { type ArmRoute, collectionUrls } from './route.js';

/** Operations of Azure that the local cloud has not: what they are called, where they are, and what to do instead. */
export interface Unserved {
  what: string;
  type: 'provisioningServices' | 'IotHubs';
  /** Behind the resource; a `:` begins a parameter. */
  paths: readonly { path: string; methods: readonly HTTPMethods[] }[];
  instead: string;
}

const PRIVATE_LINKS: Pick<Unserved, 'paths' | 'instead'> = {
  paths: [
    { path: 'privateLinkResources', methods: ['GET'] },
    { path: 'privateLinkResources/:part', methods: ['GET'] },
    { path: 'privateEndpointConnections', methods: ['GET'] },
    { path: 'privateEndpointConnections/:part', methods: ['GET', 'PUT', 'DELETE'] },
  ],
  instead: 'it is reached on this machine only',
};

/** All of them that Azure's specification files name. */
export const UNSERVED: readonly Unserved[] = [
  { what: 'private links of a DPS', type: 'provisioningServices', ...PRIVATE_LINKS },
  { what: 'private links of a hub', type: 'IotHubs', ...PRIVATE_LINKS },
  {
    what: 'consumer groups',
    type: 'IotHubs',
    paths: [
      { path: 'eventHubEndpoints/:part/ConsumerGroups', methods: ['GET'] },
      { path: 'eventHubEndpoints/:part/ConsumerGroups/:group2', methods: ['GET', 'PUT', 'DELETE'] },
    ],
    instead: 'there is no Event Hubs endpoint; every reader of zerotouch hub monitor and GET /zerotouch/events gets all',
  },
  {
    what: 'message routing',
    type: 'IotHubs',
    paths: [
      { path: 'routingEndpointsHealth', methods: ['GET'] },
      { path: 'routing/routes/$testall', methods: ['POST'] },
      { path: 'routing/routes/$testnew', methods: ['POST'] },
    ],
    instead: 'all messages go to one stream; read it with zerotouch hub monitor',
  },
  {
    what: 'jobs on devices in storage',
    type: 'IotHubs',
    paths: [
      { path: 'jobs', methods: ['GET'] },
      { path: 'jobs/:part', methods: ['GET'] },
      { path: 'exportDevices', methods: ['POST'] },
      { path: 'importDevices', methods: ['POST'] },
    ],
    instead: "there is no storage account; the hub's service API lists devices and takes them in bulk",
  },
  {
    what: 'the daily message quota',
    type: 'IotHubs',
    paths: [{ path: 'quotaMetrics', methods: ['GET'] }],
    instead: 'nobody counts messages by the day; IotHubStats counts devices',
  },
  {
    what: 'manual failover',
    type: 'IotHubs',
    paths: [{ path: 'failover', methods: ['POST'] }],
    instead: 'a hub has one region; cloud.hubsAdmin.setReachable and behaviours make one fail',
  },
];

/** Routes that refuse each of {@link UNSERVED} by its name. */
export function unservedRoutes(): ArmRoute[] {
  return UNSERVED.flatMap(({ what, type, paths, instead }) =>
    paths.flatMap(({ path, methods }) =>
      methods.map((method) => ({
        method,
        url: `${collectionUrls(type).ofGroup}/:name/${path}`,
        answer: async () => {
          throw notServed(`${method} ${path.replace(/\/:\w+/g, '/{}')} (${what})`, instead, armChoices.unservedOperation.value);
        },
      })),
    ),
  );
}
