import { timestampUtc } from '@zerotouch/azure-wire/errors';
import type { JsonObject, JsonValue } from '@zerotouch/azure-wire/twin';
import type { DeviceAuthentication, DeviceRecord, ModuleRecord, Stamp, TwinRecord } from '../store/store.js';
import type { Activity } from './lines.js';
import { NEVER, type TimedSection, timedSection, timeOfProperty } from './property-times.js';

/** What is shown of a device besides its records. */
export interface Presence {
  activity: Activity | undefined;
  /** Messages that wait. */
  messages: number;
}

/** A device of the registry as Azure shows it. Source: swagger of the hub's service API, Device. */
export function deviceDocument(device: DeviceRecord, { activity, messages }: Presence): JsonObject {
  return {
    deviceId: device.deviceId,
    generationId: device.generationId,
    etag: device.etag,
    connectionState: stateOf(activity),
    status: device.status ?? 'enabled',
    statusReason: device.statusReason ?? null,
    connectionStateUpdatedTime: timeOf(activity?.changedAt),
    statusUpdatedTime: device.statusUpdated ?? NEVER,
    lastActivityTime: timeOf(activity?.lastAt),
    cloudToDeviceMessageCount: messages,
    authentication: authenticationDocument(device.authentication),
    capabilities: { iotEdge: device.capabilities.iotEdge },
    ...scopeOf(device),
  };
}

/** A module of the registry as Azure shows it. Source: swagger, Module. */
export function moduleDocument(module: ModuleRecord, { activity, messages }: Presence): JsonObject {
  return {
    moduleId: module.moduleId,
    managedBy: module.managedBy ?? null,
    deviceId: module.deviceId,
    generationId: module.generationId,
    etag: module.etag,
    connectionState: stateOf(activity),
    connectionStateUpdatedTime: timeOf(activity?.changedAt),
    lastActivityTime: timeOf(activity?.lastAt),
    cloudToDeviceMessageCount: messages,
    authentication: authenticationDocument(module.authentication),
  };
}

/** How a device proves itself, with its keys. */
function authenticationDocument(authentication: DeviceAuthentication): JsonObject {
  const { type } = authentication;
  return {
    symmetricKey: {
      primaryKey: type === 'sas' ? authentication.primaryKey : null,
      secondaryKey: type === 'sas' ? authentication.secondaryKey : null,
    },
    x509Thumbprint: thumbprints(authentication),
    type,
  };
}

function thumbprints(authentication: DeviceAuthentication): JsonObject {
  const { type } = authentication;
  return {
    primaryThumbprint: type === 'selfSigned' ? authentication.primaryThumbprint : null,
    secondaryThumbprint: type === 'selfSigned' ? authentication.secondaryThumbprint : null,
  };
}

/** A twin as services read it. Source: swagger, Twin. @param owner the device or module that it belongs to */
export function twinDocument(twin: TwinRecord, owner: DeviceRecord | ModuleRecord | undefined, presence: Presence): JsonObject {
  const { activity, messages } = presence;
  const device = owner !== undefined && 'capabilities' in owner ? owner : undefined;
  const { moduleId } = twin;
  return {
    deviceId: twin.deviceId,
    ...(moduleId === undefined ? {} : { moduleId }),
    etag: twin.etag,
    deviceEtag: owner?.etag ?? '',
    status: device?.status ?? 'enabled',
    ...(device?.statusReason === undefined ? {} : { statusReason: device.statusReason }),
    statusUpdateTime: device?.statusUpdated ?? NEVER,
    connectionState: stateOf(activity),
    lastActivityTime: timeOf(activity?.lastAt),
    cloudToDeviceMessageCount: messages,
    authenticationType: owner?.authentication.type ?? 'none',
    x509Thumbprint: owner === undefined ? {} : thumbprints(owner.authentication),
    modelId: '',
    version: twin.version,
    ...(moduleId === undefined || Object.keys(twin.tags).length > 0 ? { tags: twin.tags } : {}),
    ...(twin.configurations === undefined ? {} : { configurations: twin.configurations as unknown as JsonObject }),
    properties: { desired: sectionDocument(twin, 'desired'), reported: sectionDocument(twin, 'reported') },
    ...(device === undefined ? {} : { capabilities: { iotEdge: device.capabilities.iotEdge }, ...scopeOf(device) }),
  };
}

/** A section of properties with what the service itself says of it. */
export function sectionDocument(twin: TwinRecord, section: 'desired' | 'reported'): JsonObject {
  const timed = timedSection(twin, section);
  // Of the desired properties the version is told, too.
  const shown = ({ at, version }: Stamp): JsonObject => ({
    $lastUpdated: at,
    ...(section === 'desired' ? { $lastUpdatedVersion: version } : {}),
  });
  return { ...timed.properties, $metadata: metadata(timed, shown), $version: timed.stamp.version };
}

function metadata(section: TimedSection, shown: (stamp: Stamp) => JsonObject): JsonObject {
  const entries = Object.entries(section.properties).map(([name, value]): [string, JsonValue] => {
    const time = timeOfProperty(section, name);
    return [name, isObject(value) ? metadata({ properties: value, stamp: time, times: time.of }, shown) : shown(time)];
  });
  return { ...shown(section.stamp), ...Object.fromEntries(entries) };
}

function scopeOf({ deviceId, generationId, capabilities }: DeviceRecord): { deviceScope?: string } {
  // Source: iot-edge/iot-edge-as-gateway: the scope of an edge device is made from its id and its generation.
  return capabilities.iotEdge ? { deviceScope: `ms-azure-iot-edge://${deviceId}-${generationId.replaceAll('-', '').slice(0, 18)}` } : {};
}

function stateOf(activity: Activity | undefined): 'Connected' | 'Disconnected' {
  return activity?.connected === true ? 'Connected' : 'Disconnected';
}

function timeOf(epochMs: number | undefined): string {
  return epochMs === undefined ? NEVER : timestampUtc(epochMs);
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
