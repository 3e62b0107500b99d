import type { JsonObject } from '@zerotouch/azure-wire/twin';
import { CloudFault } from '../faults.js';
import type { Hub } from '../hub/hub.js';
import type { Paged, PageWish } from '../store/paged.js';
import type { DeviceRecord } from '../store/store.js';

/** A device in a hub's registry. */
export interface HubDevice {
  deviceId: string;
  generationId: string;
  etag: string;
  authentication: 'sas' | 'selfSigned';
  connectionState: 'Connected' | 'Disconnected';
  capabilities: { iotEdge: boolean };
}

/** A twin as a service reads it. */
export interface HubTwin {
  deviceId: string;
  etag: string;
  /** Rises with tags and desired properties. */
  version: number;
  tags: JsonObject;
  properties: { desired: JsonObject & { $version: number }; reported: JsonObject & { $version: number } };
}

/** What an operator does at one hub. Telemetry comes as the cloud's `telemetry` event. */
export interface HubService {
  readonly host: string;
  devices(): Promise<HubDevice[]>;
  /** The same, a page at a time. */
  devicesPage(wish: PageWish): Promise<Paged<HubDevice>>;
  /** Devices in the registry, and those of them that are connected. */
  counts(): Promise<{ devices: number; connected: number }>;
  device(deviceId: string): Promise<HubDevice | undefined>;
  /** @throws CloudFault UNKNOWN_DEVICE */
  twin(deviceId: string): Promise<HubTwin>;
  /**
   * Lays a patch over the desired properties (null removes) and pushes it to the device if it is connected and listens.
   * @returns the new `$version`
   * @throws CloudFault UNKNOWN_DEVICE, TWIN_LIMIT
   */
  updateDesired(deviceId: string, patch: JsonObject): Promise<number>;
  /** Takes a device out of the registry with its twin; its connections end. @returns whether there was one */
  remove(deviceId: string): Promise<boolean>;
  /** Drops the device's connections, as a network would. @returns how many there were */
  disconnect(deviceId: string): Promise<number>;
}

/** What operators do at a hub. */
export function hubService(hub: Hub): HubService {
  const shown = ({ deviceId, generationId, etag, authentication, capabilities }: DeviceRecord): HubDevice => ({
    deviceId,
    generationId,
    etag,
    authentication: authentication.type,
    connectionState: hub.lines.has(deviceId) ? 'Connected' : 'Disconnected',
    capabilities: { ...capabilities },
  });
  return {
    host: hub.host,
    devices: async () => (await hub.registry.list()).map(shown),
    async devicesPage(wish) {
      const { items, next } = await hub.registry.page(wish);
      return { items: items.map(shown), next };
    },
    counts: async () => ({ devices: await hub.registry.count(), connected: hub.lines.size }),
    async device(deviceId) {
      const device = await hub.registry.get(deviceId);
      return device === undefined ? undefined : shown(device);
    },
    async twin(deviceId) {
      const twin = await hub.twins.get(deviceId);
      if (twin === undefined) throw unknownDevice(hub.host, deviceId);
      const { etag, version, tags, desired, desiredVersion, reported, reportedVersion } = structuredClone(twin);
      return {
        deviceId,
        etag,
        version,
        tags,
        properties: { desired: { ...desired, $version: desiredVersion }, reported: { ...reported, $version: reportedVersion } },
      };
    },
    async updateDesired(deviceId, patch) {
      // A copy: what is kept must not change when the caller's object does.
      const change = await hub.changeDesired(deviceId, structuredClone(patch));
      if ('missing' in change) throw unknownDevice(hub.host, deviceId);
      if ('problem' in change) {
        throw new CloudFault('TWIN_LIMIT', change.problem, {
          where: `desired properties of ${JSON.stringify(deviceId)}`,
          remedy: 'nothing was changed',
        });
      }
      return change.twin.desiredVersion;
    },
    remove: async (deviceId) => (await hub.release(deviceId)) !== undefined,
    disconnect: async (deviceId) => hub.lines.drop(deviceId, 'an operator dropped the connection'),
  };
}

function unknownDevice(host: string, deviceId: string): CloudFault {
  return new CloudFault('UNKNOWN_DEVICE', `hub ${host} has no device ${JSON.stringify(deviceId)}`, {
    remedy: 'device ids are case-sensitive',
  });
}
