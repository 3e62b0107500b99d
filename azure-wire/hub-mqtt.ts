import { WireFault } from './errors.js';

/** api-version this project's own client sends. Source: azure-iot-device. */
export const HUB_API_VERSION = '2021-04-12';

/** Filters a device subscribes to at its hub. Source: iot-mqtt-connect-to-iot-hub. */
export const hubFilters = {
  twinResponse: '$iothub/twin/res/#',
  desired: '$iothub/twin/PATCH/properties/desired/#',
  methods: '$iothub/methods/POST/#',
  cloudToDevice: (deviceId: string) => `devices/${deviceId}/messages/devicebound/#`,
  /** What a module may subscribe to besides: messages that other modules route to it. */
  moduleInputs: (deviceId: string, moduleId: string) => [
    `devices/${deviceId}/modules/${moduleId}/#`,
    `devices/${deviceId}/modules/${moduleId}/inputs/#`,
  ],
} as const;

/** Who connects to a hub, as the MQTT user name tells. */
export interface HubUserName {
  hub: string;
  deviceId: string;
  moduleId: string | undefined;
  apiVersion: string | undefined;
}

/** `{hub}/{deviceId}/?api-version=V[&DeviceClientType=..]`. */
export function buildHubUserName(hub: string, deviceId: string, clientType?: string): string {
  const suffix = clientType === undefined ? '' : `&DeviceClientType=${encodeURIComponent(clientType)}`;
  return `${hub}/${deviceId}/?api-version=${HUB_API_VERSION}${suffix}`;
}

/**
 * @throws WireFault BAD_USER_NAME
 */
export function parseHubUserName(userName: string): HubUserName {
  const [path = '', query = ''] = splitOnce(userName, '?');
  const [hub, deviceId, moduleId, ...rest] = path.replace(/\/$/, '').split('/');
  if (!hub?.includes('.') || deviceId === undefined || deviceId === '' || rest.length > 0 || moduleId === '') {
    throw new WireFault('BAD_USER_NAME', 'the MQTT user name is not one of IoT Hub', {
      seen: userName,
      expected: '{hub}/{deviceId}/?api-version=... or {hub}/{deviceId}/{moduleId}/?api-version=...',
    });
  }
  return {
    hub,
    deviceId,
    moduleId: moduleId?.startsWith('api-version=') ? undefined : moduleId,
    apiVersion: new URLSearchParams(query).get('api-version') ?? undefined,
  };
}

/** Something a device publishes to its hub. */
export type HubRequest =
  | { kind: 'telemetry'; deviceId: string; moduleId?: string; properties: string }
  | { kind: 'twin-get'; rid: string }
  | { kind: 'twin-patch'; rid: string }
  | { kind: 'method-response'; rid: string; status: number };

/** Topics a device publishes to; `rid` is the client's own choice, echoed in the reply. */
export const twinGetTopic = (rid: string): string => `$iothub/twin/GET/?$rid=${rid}`;
export const twinPatchTopic = (rid: string): string => `$iothub/twin/PATCH/properties/reported/?$rid=${rid}`;
export const methodResponseTopic = (status: number, rid: string): string => `$iothub/methods/res/${status}/?$rid=${rid}`;
export const telemetryTopic = (deviceId: string): string => `devices/${deviceId}/messages/events/`;

/**
 * What a device asks for by publishing to a topic.
 * @throws WireFault BAD_TOPIC
 */
export function parseHubRequest(topic: string): HubRequest {
  const get = /^\$iothub\/twin\/GET\/\?\$rid=(.*)$/.exec(topic);
  if (get !== null) return { kind: 'twin-get', rid: get[1] ?? '' };
  const patch = /^\$iothub\/twin\/PATCH\/properties\/reported\/\?\$rid=(.*)$/.exec(topic);
  if (patch !== null) return { kind: 'twin-patch', rid: patch[1] ?? '' };
  const telemetry = /^devices\/([^/]+)(?:\/modules\/([^/]+))?\/messages\/events(?:\/(.*))?$/.exec(topic);
  if (telemetry !== null) {
    const [, deviceId = '', moduleId, properties = ''] = telemetry;
    return { kind: 'telemetry', deviceId, ...(moduleId === undefined ? {} : { moduleId }), properties };
  }
  const method = /^\$iothub\/methods\/res\/(-?\d+)\/\?\$rid=(.*)$/.exec(topic);
  if (method !== null) return { kind: 'method-response', status: Number(method[1]), rid: method[2] ?? '' };
  throw new WireFault('BAD_TOPIC', 'the topic is not one of IoT Hub', {
    seen: topic,
    expected: 'telemetry, twin get, twin patch or a method response',
  });
}

/** Topic of a twin reply: 200 for a get, 204 with the new reported version for a patch. */
export function twinResponseTopic(status: number, rid: string, version?: number): string {
  return `$iothub/twin/res/${status}/?$rid=${rid}${version === undefined ? '' : `&$version=${version}`}`;
}

/** Topic of a change to the desired properties. */
export function desiredTopic(version: number): string {
  return `$iothub/twin/PATCH/properties/desired/?$version=${version}`;
}

/** Topic of a direct method's call. @param rid ties the answer to it */
export function methodTopic(name: string, rid: string): string {
  return `$iothub/methods/POST/${name}/?$rid=${rid}`;
}

/** Topic of a message to a device. @param bag its properties, url-encoded */
export function cloudToDeviceTopic(deviceId: string, bag: string): string {
  return `devices/${encodeURIComponent(deviceId)}/messages/devicebound/${bag}`;
}

/** Something a hub publishes to a device. */
export type HubDelivery =
  | { kind: 'twin-response'; status: number; rid: string; version: number | undefined }
  | { kind: 'desired'; version: number }
  | { kind: 'method'; name: string; rid: string }
  | { kind: 'cloud-to-device'; properties: string };

/** What the hub sends on a topic, or `undefined` when it is nothing a device knows. */
export function parseHubDelivery(topic: string): HubDelivery | undefined {
  const twin = /^\$iothub\/twin\/res\/(\d+)\/\?\$rid=([^&]*)(?:&\$version=(\d+))?/.exec(topic);
  if (twin !== null)
    return {
      kind: 'twin-response',
      status: Number(twin[1]),
      rid: twin[2] ?? '',
      version: twin[3] === undefined ? undefined : Number(twin[3]),
    };
  const desired = /^\$iothub\/twin\/PATCH\/properties\/desired\/\?\$version=(\d+)/.exec(topic);
  if (desired !== null) return { kind: 'desired', version: Number(desired[1]) };
  const method = /^\$iothub\/methods\/POST\/([^/]+)\/\?\$rid=(.*)$/.exec(topic);
  if (method !== null) return { kind: 'method', name: method[1] ?? '', rid: method[2] ?? '' };
  const message = /^devices\/[^/]+\/messages\/devicebound\/(.*)$/.exec(topic);
  return message === null ? undefined : { kind: 'cloud-to-device', properties: message[1] ?? '' };
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}
