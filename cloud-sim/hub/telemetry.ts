import type { Identity } from './identity.js';

/** A device-to-cloud message as a transport reads it. */
export interface Telemetry {
  body: Buffer;
  /** System properties that the device set, by the names that consumers read: `message_id`, `content_type` and so on. */
  system: Readonly<Record<string, string>>;
  /** Application properties. */
  properties: Readonly<Record<string, string>>;
}

/** A message as consumers of the built-in endpoint read it. Source: hub/iot-hub-devguide-messages-construct. */
export interface HubEvent {
  /** Rises by one, from 1 with the start of the process. */
  sequenceNumber: number;
  /** UTC, ISO 8601. */
  enqueuedTimeUtc: string;
  deviceId: string;
  moduleId?: string;
  body: Buffer;
  /** What the hub and the device say of the message, e.g. `iothub-connection-device-id`, `content_type`. */
  systemProperties: Record<string, string>;
  /** What the application says. */
  applicationProperties: Record<string, string>;
}

/** Names of system properties in an MQTT property bag. Source: iot-mqtt-connect-to-iot-hub; azure-iot-device-mqtt. */
const BAG: Readonly<Record<string, string>> = {
  '$.mid': 'message_id',
  '$.cid': 'correlation_id',
  '$.uid': 'user_id',
  '$.to': 'to',
  '$.exp': 'absolute_expiry_time',
  '$.ct': 'content_type',
  '$.ce': 'content_encoding',
  '$.sub': 'dt-subject',
  '$.ifid': 'iothub-interface-id',
  '$.on': 'iothub-outputname',
  '$.schema': 'dt-dataschema',
  '$.ctime': 'iothub-creation-time-utc',
};

/** System properties of AMQP and consumers' names, the other way round than {@link BAG}. */
const BAG_NAMES: Readonly<Record<string, string>> = Object.fromEntries(Object.entries(BAG).map(([short, name]) => [name, short]));

// Source: azure-iot-sdk-c, iothubtransport_mqtt_common.c, and azure-iot-device-mqtt: what follows the name is no part of it.
const OUTPUT_WITH_SLASH = /((?:^|&)(?:\$|%24)\.on=[^&]*)\/(?=&|$)/;

/** A property bag as it came, decoded; its names are the device's own. The slash that clients write after the name of an output is left out. */
export function parseBag(bag: string): Record<string, string> {
  const properties = plainRecord();
  const written = bag.replace(/^\?/, '').replace(OUTPUT_WITH_SLASH, '$1').replaceAll('+', '%2B');
  for (const [key, value] of new URLSearchParams(written)) properties[key] = value;
  return properties;
}

/** Tells system from application properties in a decoded bag. */
export function sortBag(bag: Readonly<Record<string, string>>): Omit<Telemetry, 'body'> {
  const [system, properties] = [plainRecord(), plainRecord()];
  for (const [key, value] of Object.entries(bag)) {
    const name = Object.hasOwn(BAG, key) ? BAG[key] : undefined;
    if (name !== undefined) system[name] = value;
    else properties[key] = value;
  }
  return { system, properties };
}

/** System and application properties as one bag, decoded. */
export function bagged({ system, properties }: Omit<Telemetry, 'body'>): Record<string, string> {
  const bag = plainRecord();
  for (const [name, value] of Object.entries(system)) bag[BAG_NAMES[name] ?? name] = value;
  return Object.assign(bag, properties);
}

/** A property bag of a cloud-to-device message, url-encoded. Source: iot-mqtt-connect-to-iot-hub. */
export function writeBag(of: Omit<Telemetry, 'body'>): string {
  return Object.entries(bagged(of))
    .map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(value)}`)
    .join('&');
}

/** What the hub itself says of a message. */
export function connectionProperties(
  { deviceId, moduleId }: Identity,
  authentication: string,
  generationId: string,
  enqueuedTimeUtc: string,
): Record<string, string> {
  return {
    'iothub-connection-device-id': deviceId,
    ...(moduleId === undefined ? {} : { 'iothub-connection-module-id': moduleId }),
    'iothub-connection-auth-method': JSON.stringify({
      scope: moduleId === undefined ? 'device' : 'module',
      type: authentication === 'selfSigned' || authentication === 'certificateAuthority' ? 'x509' : 'sas',
      issuer: authentication === 'selfSigned' || authentication === 'certificateAuthority' ? 'external' : 'iothub',
    }),
    'iothub-connection-auth-generation-id': generationId,
    'iothub-enqueuedtime': enqueuedTimeUtc,
    'iothub-message-source': 'Telemetry',
  };
}

/** Without a prototype, so that a property named `__proto__` is one like any other. */
export function plainRecord(): Record<string, string> {
  return Object.create(null) as Record<string, string>;
}
