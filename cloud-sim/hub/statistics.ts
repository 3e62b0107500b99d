import type { Hub } from './hub.js';
import { runQuery } from './query/run.js';

/** How many devices a hub knows. */
export interface DeviceStatistics {
  totalDeviceCount: number;
  enabledDeviceCount: number;
  disabledDeviceCount: number;
}

/** Counts the devices of a hub. */
export async function deviceStatistics(hub: Hub): Promise<DeviceStatistics> {
  const counted = runQuery("SELECT COUNT() AS n FROM devices WHERE status = 'disabled'", { size: 1 }, hub.queryGround);
  const [totalDeviceCount, { items }] = await Promise.all([hub.registry.count(), counted]);
  const disabledDeviceCount = (items[0] as { n: number }).n;
  return { totalDeviceCount, enabledDeviceCount: totalDeviceCount - disabledDeviceCount, disabledDeviceCount };
}
