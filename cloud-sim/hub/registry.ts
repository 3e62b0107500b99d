import type { InitialTwin } from '@zerotouch/azure-wire/enrolment';
import { timestampUtc } from '@zerotouch/azure-wire/errors';
import { withoutService } from '@zerotouch/azure-wire/twin';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import { Quota } from '../quota.js';
import { type Paged, type PageWish, pageOf } from '../store/paged.js';
import {
  type DeviceAuthentication,
  type DeviceRecord,
  deviceKey,
  type ModuleRecord,
  moduleKey,
  type Tables,
  type TwinRecord,
} from '../store/store.js';
import { generatedKey, guid, hubEtag, twinEtag } from '../unique.js';
import { EDGE_MODULES } from './identity.js';

/** What a device enters a registry with. */
export interface NewDevice {
  deviceId: string;
  authentication: DeviceAuthentication;
  capabilities: { iotEdge: boolean };
  status?: 'enabled' | 'disabled';
  statusReason?: string;
}

/** What a module enters a registry with. */
export type NewModule = Pick<ModuleRecord, 'deviceId' | 'moduleId' | 'authentication' | 'managedBy'>;

/** What a registry is made of. */
export interface RegistryParts {
  store: Tables;
  /** Host name. */
  hub: string;
  clock: Clock;
  entropy: Entropy;
  /** Devices that it takes; default: any number. */
  limit?: number;
}

/** The devices of one hub, each with its modules and twins. */
export class Registry {
  readonly #parts: RegistryParts;
  readonly #quota: Quota;

  /** @param quota of another registry of the same hub */
  constructor(parts: RegistryParts, quota?: Quota) {
    const { store, hub, limit = Number.POSITIVE_INFINITY } = parts;
    this.#parts = parts;
    this.#quota = quota ?? new Quota(limit, () => store.devices.count(deviceKey(hub, '')));
  }

  /** The same registry for writes that are kept together; see `Store.together`. */
  within(store: Tables): Registry {
    return new Registry({ ...this.#parts, store }, this.#quota);
  }

  /** Whether no other device fits. */
  isFull(): Promise<boolean> {
    return this.#quota.isUsedUp();
  }

  get(deviceId: string): Promise<DeviceRecord | undefined> {
    return this.#parts.store.devices.get(this.#key(deviceId));
  }

  list(): Promise<DeviceRecord[]> {
    return this.#parts.store.devices.list(this.#key(''));
  }

  page(wish: PageWish): Promise<Paged<DeviceRecord>> {
    return pageOf(this.#parts.store.devices, wish, this.#key(''));
  }

  /** How many there are. */
  count(): Promise<number> {
    return this.#parts.store.devices.count(this.#key(''));
  }

  /** Makes a device, or makes it anew: a new generation with a new twin. The twin comes first: whoever finds the device finds it. */
  async create(device: NewDevice, start: InitialTwin | TwinRecord): Promise<DeviceRecord> {
    const { store, entropy } = this.#parts;
    const { deviceId, capabilities } = device;
    const twin = 'desiredVersion' in start ? { ...start, deviceId } : this.#firstTwin(deviceId, start);
    this.#quota.use();
    await this.#dropModules(deviceId);
    await store.twins.update(this.#key(deviceId), () => twin);
    const record: DeviceRecord = { ...recorded(device), generationId: guid(entropy), etag: hubEtag(entropy) };
    const made = await store.devices.update(this.#key(deviceId), () => record);
    if (capabilities.iotEdge) await this.#edge(deviceId);
    return made;
  }

  /** Gives a device what it now proves itself with; its twin stays. */
  async refresh(device: NewDevice): Promise<void> {
    await this.change(device.deviceId, (current) => ({ ...current, ...recorded(device) }));
  }

  /**
   * Changes a device's record; its etag changes with it.
   * @param change what it throws ends the change
   * @returns `undefined` when there is no such device
   */
  async change(deviceId: string, change: (current: DeviceRecord) => DeviceRecord): Promise<DeviceRecord | undefined> {
    const { store, clock, entropy } = this.#parts;
    const etag = hubEtag(entropy);
    const now = timestampUtc(clock.now());
    const changed = await store.devices.update(this.#key(deviceId), (current) => {
      if (current === undefined) return undefined;
      const next = change(current);
      return { ...next, etag, ...(next.status === current.status ? {} : { statusUpdated: now }) };
    });
    if (changed?.capabilities.iotEdge === true) await this.#edge(deviceId);
    return changed;
  }

  /** Keeps a device's subscription to its messages for its next MQTT connection, or none; no operator sees that, so the etag stays. */
  async keepSubscription(deviceId: string, qos: 0 | 1 | undefined): Promise<void> {
    await this.#parts.store.devices.update(this.#key(deviceId), (current) => {
      if (current === undefined) return undefined;
      const { messageSubscription: _, ...others } = current;
      return qos === undefined ? others : { ...others, messageSubscription: qos };
    });
  }

  /** Takes a device out, with its modules. @returns the twin it had */
  async remove(deviceId: string): Promise<TwinRecord | undefined> {
    const { store } = this.#parts;
    const twin = await store.twins.get(this.#key(deviceId));
    await store.devices.delete(this.#key(deviceId));
    await store.twins.delete(this.#key(deviceId));
    await this.#dropModules(deviceId);
    return twin;
  }

  module(deviceId: string, moduleId: string): Promise<ModuleRecord | undefined> {
    const { store, hub } = this.#parts;
    return store.modules.get(moduleKey(hub, deviceId, moduleId));
  }

  modules(deviceId: string): Promise<ModuleRecord[]> {
    const { store, hub } = this.#parts;
    return store.modules.list(moduleKey(hub, deviceId, ''));
  }

  /** Makes a module, or changes what is written of it; its twin stays. */
  async putModule(module: NewModule): Promise<ModuleRecord> {
    const { store, hub, entropy } = this.#parts;
    const { deviceId, moduleId } = module;
    const key = moduleKey(hub, deviceId, moduleId);
    const [generationId, etag] = [guid(entropy), hubEtag(entropy)];
    await store.moduleTwins.update(key, (current) => current ?? { ...this.#firstTwin(deviceId, {}), moduleId });
    return store.modules.update(key, (current) => ({ generationId, ...current, ...module, etag }));
  }

  /** @returns whether there was one */
  async removeModule(deviceId: string, moduleId: string): Promise<boolean> {
    const { store, hub } = this.#parts;
    const key = moduleKey(hub, deviceId, moduleId);
    await store.moduleTwins.delete(key);
    return store.modules.delete(key);
  }

  async #edge(deviceId: string): Promise<void> {
    for (const moduleId of EDGE_MODULES) {
      if ((await this.module(deviceId, moduleId)) !== undefined) continue;
      await this.putModule({ deviceId, moduleId, authentication: generatedAuthentication(this.#parts.entropy), managedBy: 'IotEdge' });
    }
  }

  async #dropModules(deviceId: string): Promise<void> {
    for (const { moduleId } of await this.modules(deviceId)) await this.removeModule(deviceId, moduleId);
  }

  // Both sections start at version 1, as every twin does.
  #firstTwin(deviceId: string, { tags = {}, properties = {} }: InitialTwin): TwinRecord {
    const now = timestampUtc(this.#parts.clock.now());
    return {
      deviceId,
      etag: twinEtag(1),
      version: 1,
      tags: withoutService(tags),
      desired: withoutService(properties.desired ?? {}),
      desiredVersion: 1,
      reported: {},
      reportedVersion: 1,
      desiredUpdated: now,
      reportedUpdated: now,
    };
  }

  #key(deviceId: string): string {
    return deviceKey(this.#parts.hub, deviceId);
  }
}

/** Symmetric keys as the hub generates them. */
export function generatedAuthentication(entropy: Entropy): DeviceAuthentication {
  return { type: 'sas', primaryKey: generatedKey(entropy), secondaryKey: generatedKey(entropy) };
}

function recorded({ status, statusReason, ...rest }: NewDevice): Omit<DeviceRecord, 'generationId' | 'etag'> {
  return { ...rest, ...(status === 'disabled' ? { status } : {}), ...(statusReason === undefined ? {} : { statusReason }) };
}
