import type { IncomingMessage, ServerResponse } from 'node:http';
import type { DpsPark, ProvisioningService } from '../../dps/park.js';
import { serviceHost } from '../../dps/policies.js';
import { dpsService, type ServiceParts } from './service.js';

/** What the service APIs of a cloud share. */
export interface ServicesParts extends Pick<ServiceParts, 'clock' | 'entropy' | 'log'> {
  dps: DpsPark;
}

/** Names of this machine, by which the first DPS is reached too: a client needs no line in /etc/hosts for it. */
const LOCAL = ['localhost', '127.0.0.1'];

/**
 * The service API of each DPS, found by the host that a request is for.
 * @returns takes a request, or says that it is for somebody else
 */
export function dpsServices({ dps, ...common }: ServicesParts): (request: IncomingMessage, response: ServerResponse) => boolean {
  const apis = new WeakMap<ProvisioningService, ReturnType<typeof dpsService>>();
  return (request, response) => {
    const host = request.headers.host?.toLowerCase().replace(/:\d+$/, '');
    const service = dps.list().find(({ name }) => serviceHost(name) === host) ?? dps.first;
    const api = apis.get(service) ?? dpsService({ ...common, ...service, hosts: hostsOf(service, dps) });
    apis.set(service, api);
    return api(request, response);
  };
}

function hostsOf(service: ProvisioningService, { first }: DpsPark): string[] {
  const own = serviceHost(service.name);
  return service === first ? [own, ...LOCAL] : [own];
}
