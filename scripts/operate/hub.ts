import { systemEntropy } from '@zerotouch/foundation/entropy';
import { Fault } from '@zerotouch/foundation/fault';
import type { LocalCloud, Policy, Resource } from './local-cloud.js';
import {
  addPolicy,
  type ChangeOptions,
  changeResource,
  dropPolicy,
  type MakeOptions,
  makeResource,
  policyNamed,
  putPolicies,
} from './resources.js';
import { shownHub } from './shapes.js';

interface NamedHub {
  hubName?: string;
  resourceGroup?: string;
}

const find = (cloud: LocalCloud, { hubName, resourceGroup }: NamedHub): Promise<Resource> => cloud.find('hub', hubName, resourceGroup);

/** IoT hubs as resources. */
export const hubs = {
  list: async (cloud: LocalCloud, { resourceGroup }: NamedHub) => (await cloud.list('hub', resourceGroup)).map(shownHub),
  show: async (cloud: LocalCloud, given: NamedHub) => shownHub(await find(cloud, given)),
  create: async (cloud: LocalCloud, { hubName, ...given }: MakeOptions & { hubName: string }) =>
    shownHub(await makeResource(cloud, 'hub', { ...given, name: hubName })),
  update: async (cloud: LocalCloud, given: NamedHub & ChangeOptions & { sku?: string; unit?: number }) => {
    const sku = given.sku === undefined ? [] : [`sku.name=${given.sku}`];
    const unit = given.unit === undefined ? [] : [`sku.capacity=${given.unit}`];
    const set = [...sku, ...unit, ...(given.set ?? [])];
    return shownHub(await changeResource(cloud, 'hub', await find(cloud, given), { ...given, set }));
  },
  delete: async (cloud: LocalCloud, given: NamedHub) => {
    await cloud.manage('hub', (await find(cloud, given)).id, { method: 'DELETE' });
  },
  showStats: async (cloud: LocalCloud, given: NamedHub) => cloud.manage('hub', `${(await find(cloud, given)).id}/IotHubStats`),
};

interface PolicyOptions {
  hubName?: string;
  resourceGroup?: string;
  name: string;
  permissions: string[];
  renewKey: 'primary' | 'secondary' | 'swap';
}

/** Shared access policies of a hub. */
export const policies = {
  list: async (cloud: LocalCloud, given: PolicyOptions) => cloud.policies('hub', await find(cloud, given)),
  show: async (cloud: LocalCloud, given: PolicyOptions) => policyNamed(cloud, 'hub', await find(cloud, given), given.name),
  create: async (cloud: LocalCloud, given: PolicyOptions) => {
    await addPolicy(cloud, 'hub', await find(cloud, given), { policyName: given.name, rights: given.permissions });
    return policies.list(cloud, given);
  },
  delete: async (cloud: LocalCloud, given: PolicyOptions) => {
    await dropPolicy(cloud, 'hub', await find(cloud, given), given.name);
    return policies.list(cloud, given);
  },
  /** A key that leaked is of no use any more; what signs in by the other one is not disturbed. */
  renewKey: async (cloud: LocalCloud, given: PolicyOptions): Promise<object> => {
    const hub = await find(cloud, given);
    const { primaryKey, secondaryKey } = await policyNamed(cloud, 'hub', hub, given.name);
    const fresh = (): string => Buffer.from(systemEntropy.bytes(KEY_BYTES)).toString('base64');
    const renewed = {
      primary: () => ({ primaryKey: fresh() }),
      secondary: () => ({ secondaryKey: fresh() }),
      swap: () => ({ primaryKey: secondaryKey, secondaryKey: primaryKey }),
    }[given.renewKey]();
    const all = await cloud.policies('hub', hub);
    await putPolicies(
      cloud,
      'hub',
      hub,
      all.map((policy) => (policy.keyName === given.name ? { ...policy, ...renewed } : policy)),
    );
    return policies.show(cloud, given);
  },
};

/** As long as those that az makes. */
const KEY_BYTES = 32;

interface ConnectionOptions extends NamedHub {
  dpsName?: string;
  policyName?: string;
  keyType: 'primary' | 'secondary';
  all?: boolean;
}

/** Service connection strings: secrets, printed because they are asked for. */
export const connectionStrings = {
  /** Of one hub, or of each when none is named. */
  ofHub: async (cloud: LocalCloud, given: ConnectionOptions) => connectionStringsOf(cloud, 'hub', given, given.hubName),
  ofDps: async (cloud: LocalCloud, given: ConnectionOptions) => connectionStringsOf(cloud, 'dps', given, given.dpsName),
};

async function connectionStringsOf(
  cloud: LocalCloud,
  kind: 'hub' | 'dps',
  { policyName = kind === 'hub' ? 'iothubowner' : 'provisioningserviceowner', keyType, all = false, resourceGroup }: ConnectionOptions,
  name: string | undefined,
): Promise<object> {
  const of = async (resource: Resource): Promise<string | string[]> => {
    const { hostName, serviceOperationsHostName } = resource.properties;
    const host = kind === 'hub' ? hostName : serviceOperationsHostName;
    const text = (policy: Policy): string =>
      `HostName=${host};SharedAccessKeyName=${policy.keyName};SharedAccessKey=${keyType === 'secondary' ? policy.secondaryKey : policy.primaryKey}`;
    if (all) return (await cloud.policies(kind, resource)).map(text);
    return text(await policyNamed(cloud, kind, resource, policyName));
  };
  if (name !== undefined) return { connectionString: await of(await cloud.find(kind, name, resourceGroup)) };
  const told = [];
  for (const resource of await cloud.list(kind, resourceGroup)) told.push({ name: resource.name, connectionString: await of(resource) });
  if (told.length > 0) return told;
  throw new Fault('UNKNOWN_RESOURCE', 'there is none', { expected: kind === 'hub' ? 'an IoT hub' : 'a DPS' });
}
