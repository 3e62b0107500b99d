import type { Hub } from '../../hub/hub.js';
import type { HubPark } from '../../hub/park.js';
import { DEFAULT_GROUP, type HubRecord } from '../../store/store.js';
import { type ArmCall, sameName } from './route.js';
import { notFound } from './services.js';

/** Type of the resource. */
export const HUB_TYPE = 'IotHubs';
/** What follows the name of a hub in its host. */
export const HUB_SUFFIX = '.azure-devices.net';
const NAME = /^(?![0-9]+$)[a-z0-9][a-z0-9-]{1,48}[a-z0-9]$/i;

/** Whether a hub can be made by a name, as the name check answers it. */
export function nameAvailability(
  name: string,
  park: HubPark,
): { nameAvailable: boolean; reason?: 'Invalid' | 'AlreadyExists'; message?: string } {
  if (!NAME.test(name)) {
    return {
      nameAvailable: false,
      reason: 'Invalid',
      message: 'a hub name has 3 to 50 letters, digits and dashes, not digits alone, and no dash at its ends',
    };
  }
  if (findHub(park, name) === undefined) return { nameAvailable: true };
  return { nameAvailable: false, reason: 'AlreadyExists', message: `IotHub name '${name}' is not available` };
}

/** A hub by the name of its resource. @param name in any case */
export function findHub(park: HubPark, name: string): Hub | undefined {
  const label = name.toLowerCase();
  return park.running.get(`${label}${HUB_SUFFIX}`) ?? [...park.running.values()].find(({ host }) => host.split('.')[0] === label);
}

/** @throws ArmError 404 when there is no such hub in this group */
export function hubOf(park: HubPark, call: ArmCall): Hub {
  const hub = findHub(park, call.name);
  if (hub !== undefined && isInGroup(hub.record, call)) return hub;
  throw notFound(call, HUB_TYPE);
}

/** Whether a hub is in the group that was asked for. */
export function isInGroup({ subscription, resourceGroup = DEFAULT_GROUP }: HubRecord, { subscription: wanted, group }: ArmCall): boolean {
  return sameName(subscription, wanted) && sameName(resourceGroup, group);
}
