import { type Cloud, type CloudOptions, startCloud } from '@zerotouch/cloud-sim/cloud';
import type { Endpoint } from '@zerotouch/firmware-sim/boot/ports';
import type { Identity } from '@zerotouch/firmware-sim/identity/identity';
import type { ClientName } from '@zerotouch/firmware-sim/transport/client-names';
import type { TransportName } from '@zerotouch/firmware-sim/transport/transport-names';
import type { Test } from 'tap';
import { Relay } from './relay.js';

/** Every client over everything it speaks. */
export const everyWay: readonly (readonly [ClientName, TransportName])[] = [
  ['sdk', 'mqtt'],
  ['sdk', 'mqtt-ws'],
  ['sdk', 'amqp'],
  ['sdk', 'amqp-ws'],
  ['sdk', 'http'],
  ['wire', 'mqtt'],
  ['wire', 'mqtt-ws'],
];

/** The key of the device that {@link cloudWithDevice} knows. */
export const deviceKey = Buffer.alloc(32, 9);

/** A cloud that ends with the test, and knows one device by its key. */
export async function cloudWithDevice(t: Test, registrationId: string, options: CloudOptions = {}): Promise<Cloud> {
  const cloud = await startCloud({ retryAfterSeconds: 0, ...options });
  t.teardown(() => cloud.close());
  const symmetricKey = { primaryKey: deviceKey.toString('base64'), secondaryKey: deviceKey.toString('base64') };
  await cloud.enrolments.putIndividual({ registrationId, attestation: { type: 'symmetricKey', symmetricKey } });
  return cloud;
}

/** {@link cloudWithDevice} `dev-1`, and a network between the two that everything of a transport goes through. */
export async function relayedCloud(
  t: Test,
  transport: TransportName,
  options: CloudOptions = {},
): Promise<{ cloud: Cloud; way: Relay; endpoint: Endpoint }> {
  const cloud = await cloudWithDevice(t, 'dev-1', options);
  const { mqttPort, amqpPort, httpsPort } = cloud.dps;
  const way = await Relay.open({ mqtt: mqttPort, amqp: amqpPort }[transport as string] ?? httpsPort);
  t.teardown(() => way[Symbol.asyncDispose]());
  const at = { host: 'localhost', port: way.port };
  const endpoint = { dpsHost: at.host, dpsPort: at.port, gateway: at, ports: { amqp: at.port, https: at.port }, ca: cloud.ca };
  return { cloud, way, endpoint };
}

/** Who the device says that it is. */
export function identityAt(cloud: Cloud, registrationId = 'dev-1'): Identity {
  const attestation = { kind: 'symmetric-key', key: deviceKey } as const;
  return { idScope: cloud.dps.idScope, endpoint: cloud.dps.host, registrationId, serial: '1', attestation };
}
