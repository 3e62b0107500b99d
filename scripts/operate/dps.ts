import { Fault } from '@zerotouch/foundation/fault';
import { readSecret } from '../secret.js';
import { type LocalCloud, type Resource, sameName } from './local-cloud.js';
import {
  addPolicy,
  type ChangeOptions,
  changePolicy,
  changeResource,
  dropPolicy,
  type MakeOptions,
  makeResource,
  type PolicyOptions,
  policyNamed,
  putResource,
} from './resources.js';
import { shownDps } from './shapes.js';

interface OfDps {
  dpsName?: string;
  resourceGroup?: string;
}
interface NamedDps {
  name?: string;
  resourceGroup?: string;
}

const find = (cloud: LocalCloud, { dpsName, resourceGroup }: OfDps): Promise<Resource> => cloud.find('dps', dpsName, resourceGroup);
const named = (cloud: LocalCloud, { name, resourceGroup }: NamedDps): Promise<Resource> => cloud.find('dps', name, resourceGroup);

/** DPS instances. */
export const instances = {
  list: async (cloud: LocalCloud, { resourceGroup }: NamedDps) => (await cloud.list('dps', resourceGroup)).map(shownDps),
  show: async (cloud: LocalCloud, given: NamedDps) => shownDps(await named(cloud, given)),
  create: async (cloud: LocalCloud, given: MakeOptions) => shownDps(await makeResource(cloud, 'dps', given)),
  update: async (cloud: LocalCloud, given: NamedDps & ChangeOptions) =>
    shownDps(await changeResource(cloud, 'dps', await named(cloud, given), given)),
  delete: async (cloud: LocalCloud, given: NamedDps) => {
    await cloud.manage('dps', (await named(cloud, given)).id, { method: 'DELETE' });
  },
};

/** A hub that a DPS assigns devices to, its key masked. */
interface Link {
  name?: string;
  location?: string;
  connectionString: string;
  allocationWeight?: number;
  applyAllocationPolicy?: boolean;
}

interface LinkOptions extends OfDps {
  hubName?: string;
  hubResourceGroup?: string;
  connectionString?: string;
  allocationWeight?: number;
  applyAllocationPolicy?: boolean;
}
type OfLink = LinkOptions & { linkedHub: string };

const links = ({ properties }: Resource): Link[] => properties.iotHubs as Link[];
const withLinks = (dps: Resource, iotHubs: Link[]): Resource => ({ ...dps, properties: { ...dps.properties, iotHubs } });

/** Hubs linked to a DPS. */
export const linkedHubs = {
  list: async (cloud: LocalCloud, given: OfDps) => links(await find(cloud, given)),
  show: async (cloud: LocalCloud, given: OfLink) => linkNamed(await find(cloud, given), given.linkedHub),
  create: async (cloud: LocalCloud, given: LinkOptions) => {
    const dps = await find(cloud, given);
    const made = { ...(await linkTo(cloud, given)), ...weighed(given) };
    return links(await putResource(cloud, 'dps', withLinks(dps, [...links(dps), made])));
  },
  update: async (cloud: LocalCloud, given: OfLink) => {
    const dps = await find(cloud, given);
    const link = linkNamed(dps, given.linkedHub);
    const changed = links(dps).map((one) => (one === link ? { ...one, ...weighed(given) } : one));
    return linkNamed(await putResource(cloud, 'dps', withLinks(dps, changed)), given.linkedHub);
  },
  delete: async (cloud: LocalCloud, given: OfLink) => {
    const dps = await find(cloud, given);
    const link = linkNamed(dps, given.linkedHub);
    return links(
      await putResource(
        cloud,
        'dps',
        withLinks(
          dps,
          links(dps).filter((one) => one !== link),
        ),
      ),
    );
  },
};

async function linkTo(cloud: LocalCloud, { hubName, hubResourceGroup, connectionString }: LinkOptions): Promise<Link> {
  if (connectionString !== undefined) {
    const secret = await readSecret(connectionString, '--connection-string');
    const [, host] = /(?:^|;)HostName=([^;]+)/i.exec(secret) ?? [];
    if (host === undefined) {
      throw new Fault('BAD_CONNECTION_STRING', 'it is no connection string of a hub', {
        where: '--connection-string',
        expected: 'HostName=...;SharedAccessKeyName=...;SharedAccessKey=...',
      });
    }
    return { connectionString: secret, location: (await cloud.find('hub', host)).location };
  }
  if (hubName === undefined) throw new Fault('NO_HUB', 'no hub is named', { expected: '--hub-name or --connection-string' });
  const hub = await cloud.find('hub', hubName, hubResourceGroup);
  const { keyName, primaryKey } = await policyNamed(cloud, 'hub', hub, 'iothubowner');
  return {
    connectionString: `HostName=${hub.properties.hostName};SharedAccessKeyName=${keyName};SharedAccessKey=${primaryKey}`,
    location: hub.location,
  };
}

function weighed({ allocationWeight, applyAllocationPolicy }: LinkOptions): Partial<Link> {
  return {
    ...(allocationWeight === undefined ? {} : { allocationWeight }),
    ...(applyAllocationPolicy === undefined ? {} : { applyAllocationPolicy }),
  };
}

function linkNamed(dps: Resource, hub: string): Link {
  const found = links(dps).find(({ name = '' }) => sameName(name, hub) || sameName(name.split('.')[0] ?? '', hub));
  if (found !== undefined) return found;
  const names = links(dps).map(({ name }) => name);
  throw new Fault('UNKNOWN_LINK', 'no hub of this name is linked', {
    where: `${dps.name}, --linked-hub`,
    seen: hub,
    expected: names.length === 0 ? 'a linked hub, and there is none' : `one of ${names.join(', ')}`,
  });
}

/** Shared access policies of a DPS. */
export const policies = {
  list: async (cloud: LocalCloud, given: OfDps) => cloud.policies('dps', await find(cloud, given)),
  show: async (cloud: LocalCloud, given: OfDps & PolicyOptions) => policyNamed(cloud, 'dps', await find(cloud, given), given.policyName),
  create: async (cloud: LocalCloud, given: OfDps & PolicyOptions) => {
    await addPolicy(cloud, 'dps', await find(cloud, given), given);
    return policies.show(cloud, given);
  },
  update: async (cloud: LocalCloud, given: OfDps & PolicyOptions): Promise<object> => {
    await changePolicy(cloud, 'dps', await find(cloud, given), given);
    return policies.show(cloud, given);
  },
  delete: async (cloud: LocalCloud, given: OfDps & PolicyOptions): Promise<object> => {
    await dropPolicy(cloud, 'dps', await find(cloud, given), given.policyName);
    return policies.list(cloud, given);
  },
};
