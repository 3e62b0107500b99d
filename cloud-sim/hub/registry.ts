import type { InitialTwin } from '@zerotouch/azure-wire/enrolment';
import { withoutService } from '@zerotouch/azure-wire/twin';
import type { Entropy } from '@zerotouch/foundation/entropy';
import { Quota } from '../quota.js';
import { type Paged, type PageWish, pageOf } from '../store/paged.js';
import { type DeviceAuthentication, type DeviceRecord, deviceKey, type Store, type TwinRecord } from '../store/store.js';
import { etag, guid } from '../unique.js';

/** What a device enters a registry with. */
export interface NewDevice {
  deviceId: string;
  authentication: DeviceAuthentication;
  capabilities: { iotEdge: boolean };
}

/** What a registry is made of. */
export interface RegistryParts {
  store: Store;
  /** Host name. */
  hub: string;
  entropy: Entropy;
  /** Devices that it takes; default: any number. */
  limit?: number;
}

/** The devices of one hub, each with its twin. */
export class Registry {
  readonly #store: Store;
  readonly #hub: string;
  readonly #entropy: Entropy;
  readonly #quota: Quota;

  constructor({ store, hub, entropy, limit = Number.POSITIVE_INFINITY }: RegistryParts) {
    this.#store = store;
    this.#hub = hub;
    this.#entropy = entropy;
    this.#quota = new Quota(limit, () => store.devices.count(deviceKey(hub, '')));
  }

  /** Whether no other device fits. */
  isFull(): Promise<boolean> {
    return this.#quota.isUsedUp();
  }

  get(deviceId: string): Promise<DeviceRecord | undefined> {
    return this.#store.devices.get(this.#key(deviceId));
  }

  list(): Promise<DeviceRecord[]> {
    return this.#store.devices.list(this.#key(''));
  }

  page(wish: PageWish): Promise<Paged<DeviceRecord>> {
    return pageOf(this.#store.devices, wish, this.#key(''));
  }

  /** How many there are. */
  count(): Promise<number> {
    return this.#store.devices.count(this.#key(''));
  }

  /** Makes a device, or makes it anew: a new generation with a new twin. The twin comes first: whoever finds the device finds it. */
  async create(device: NewDevice, start: InitialTwin | TwinRecord): Promise<DeviceRecord> {
    const twin = 'desiredVersion' in start ? { ...start, deviceId: device.deviceId } : this.#firstTwin(device.deviceId, start);
    this.#quota.use();
    await this.#store.twins.update(this.#key(device.deviceId), () => twin);
    const record: DeviceRecord = { ...device, generationId: guid(this.#entropy), etag: etag(this.#entropy) };
    return this.#store.devices.update(this.#key(device.deviceId), () => record);
  }

  /** Gives a device what it now proves itself with; its twin stays. */
  async refresh(device: NewDevice): Promise<void> {
    const changed = etag(this.#entropy);
    await this.#store.devices.update(this.#key(device.deviceId), (current) =>
      current === undefined ? undefined : { ...current, ...device, etag: changed },
    );
  }

  /** Takes a device out. @returns the twin it had */
  async remove(deviceId: string): Promise<TwinRecord | undefined> {
    const twin = await this.#store.twins.get(this.#key(deviceId));
    await this.#store.devices.delete(this.#key(deviceId));
    await this.#store.twins.delete(this.#key(deviceId));
    return twin;
  }

  // Both sections start at version 1, as every twin does.
  #firstTwin(deviceId: string, { tags = {}, properties = {} }: InitialTwin): TwinRecord {
    return {
      deviceId,
      etag: etag(this.#entropy),
      version: 1,
      tags: withoutService(tags),
      desired: withoutService(properties.desired ?? {}),
      desiredVersion: 1,
      reported: {},
      reportedVersion: 1,
    };
  }

  #key(deviceId: string): string {
    return deviceKey(this.#hub, deviceId);
  }
}
