import type { Cloud } from '@zerotouch/cloud-sim/cloud';
import type { PolicyRecord } from '@zerotouch/cloud-sim/store/store';
import iothub, { type Client, type Registry } from 'azure-iothub';
import { ToCloud } from '../doors/clients.js';

interface WithRest {
  _restApiClient: { setOptions(options: { http: { agent: ToCloud } }): void };
}

/** The connection string of a policy of a hub; by default of the one that has every right. */
export function connectionString(cloud: Cloud, host: string, policy = 'iothubowner'): string {
  const record = cloud.hubsAdmin.policies(host).find(({ name }) => name === policy) as PolicyRecord;
  return `HostName=${host};SharedAccessKeyName=${record.name};SharedAccessKey=${record.primaryKey}`;
}

/** The official registry client; what would be in /etc/hosts is in its agent. */
export function registryOf(cloud: Cloud, host: string, policy?: string): Registry {
  const registry = iothub.Registry.fromConnectionString(connectionString(cloud, host, policy));
  (registry as unknown as WithRest)._restApiClient.setOptions({ http: { agent: new ToCloud(cloud) } });
  return registry;
}

/** The official service client, for methods over HTTPS. */
export function serviceClientOf(cloud: Cloud, host: string, policy?: string): Client {
  const client = iothub.Client.fromConnectionString(connectionString(cloud, host, policy));
  (client as unknown as WithRest)._restApiClient.setOptions({ http: { agent: new ToCloud(cloud) } });
  return client;
}
