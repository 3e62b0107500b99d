import type { Entropy } from '@zerotouch/foundation/entropy';
import type { HubSpec } from './options.js';
import type { HubRecord, PolicyRecord } from './store/store.js';
import { generatedKey } from './unique.js';

/** A hub and how a service reaches it. */
export interface HubAddress extends HubSpec {
  /** Of the policy `iothubowner`: a secret. */
  connectionString: string;
}

/** The policy with every right, that a hub is linked by unless another is named. */
export const OWNER_POLICY = 'iothubowner';

/** The policies that every IoT hub is made with. Source: hub/iot-hub-dev-guide-sas. */
const POLICIES: readonly Pick<PolicyRecord, 'name' | 'rights'>[] = [
  { name: OWNER_POLICY, rights: ['RegistryRead', 'RegistryWrite', 'ServiceConnect', 'DeviceConnect'] },
  { name: 'service', rights: ['ServiceConnect'] },
  { name: 'device', rights: ['DeviceConnect'] },
  { name: 'registryRead', rights: ['RegistryRead'] },
  { name: 'registryReadWrite', rights: ['RegistryRead', 'RegistryWrite'] },
];

/** A new hub with its policies and fresh keys. @param spec besides the place what it is as a resource, if that is told */
export function newHub({ host, region, subscription, ...resource }: HubSpec & Partial<HubRecord>, entropy: Entropy): HubRecord {
  const policies = POLICIES.map((policy) => ({ ...policy, primaryKey: generatedKey(entropy), secondaryKey: generatedKey(entropy) }));
  return { host: host.toLowerCase(), region, subscription, ...resource, policies };
}

/** A hub as it is shown to operators. */
export function hubAddress({ host, region, subscription, policies }: HubRecord): HubAddress {
  const key = policies.find(({ name }) => name === OWNER_POLICY)?.primaryKey ?? '';
  return { host, region, subscription, connectionString: hubConnectionString(host, OWNER_POLICY, key) };
}

/** The text by which a service names a hub and shows a policy's key. */
export function hubConnectionString(host: string, keyName: string, key: string): string {
  return `HostName=${host};SharedAccessKeyName=${keyName};SharedAccessKey=${key}`;
}
