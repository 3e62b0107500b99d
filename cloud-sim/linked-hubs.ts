import type { Entropy } from '@zerotouch/foundation/entropy';
import type { HubSpec } from './options.js';
import type { HubRecord, PolicyRecord, Store } from './store/store.js';
import { generatedKey } from './unique.js';

/** A hub and how a service reaches it. */
export interface HubAddress extends HubSpec {
  /** Of the policy `iothubowner`: a secret. */
  connectionString: string;
}

/** The policies that every IoT hub is made with. Source: hub/iot-hub-dev-guide-sas. */
const POLICIES: readonly Pick<PolicyRecord, 'name' | 'rights'>[] = [
  { name: 'iothubowner', rights: ['RegistryRead', 'RegistryWrite', 'ServiceConnect', 'DeviceConnect'] },
  { name: 'service', rights: ['ServiceConnect'] },
  { name: 'device', rights: ['DeviceConnect'] },
  { name: 'registryRead', rights: ['RegistryRead'] },
  { name: 'registryReadWrite', rights: ['RegistryRead', 'RegistryWrite'] },
];

/** Sees to it that the store has these hubs; one that it has already keeps its policies and weight. */
export async function linkHubs(hubs: readonly HubSpec[], store: Store, entropy: Entropy): Promise<HubRecord[]> {
  const records: HubRecord[] = [];
  for (const { host, region, subscription } of hubs) {
    const policies = POLICIES.map((policy) => ({ ...policy, primaryKey: generatedKey(entropy), secondaryKey: generatedKey(entropy) }));
    const name = host.toLowerCase();
    records.push(
      await store.hubs.update(name, (current) => ({ allocationWeight: 1, policies, ...current, host: name, region, subscription })),
    );
  }
  return records;
}

/** A hub as it is shown to operators. */
export function hubAddress({ host, region, subscription, policies }: HubRecord): HubAddress {
  const key = policies.find(({ name }) => name === 'iothubowner')?.primaryKey ?? '';
  return { host, region, subscription, connectionString: `HostName=${host};SharedAccessKeyName=iothubowner;SharedAccessKey=${key}` };
}
