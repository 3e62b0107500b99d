import { createRequire } from 'node:module';
import type { Cloud } from '@zerotouch/cloud-sim/cloud';
import common from 'azure-iot-common';
import device, { type Client, type Twin } from 'azure-iot-device';
import { Mqtt as HubMqtt } from 'azure-iot-device-mqtt';
import provisioning from 'azure-iot-provisioning-device';
import { Mqtt as DpsMqtt } from 'azure-iot-provisioning-device-mqtt';
import { SymmetricKeySecurityClient } from 'azure-iot-security-symmetric-key';
import { X509Security } from 'azure-iot-security-x509';
import type { Leaf } from './certificates.js';

const { ProvisioningDeviceClient } = provisioning;
const { Client: DeviceClient, SharedAccessKeyAuthenticationProvider, X509AuthenticationProvider } = device;

/** How a device of the tests proves itself: its key (base64) or its certificate. */
export type Proof = { key: string } | { leaf: Leaf };

/** What the official client makes of a finished registration. */
export interface Registered {
  assignedHub: string;
  deviceId: string;
  status: string;
  substatus: string;
}

/** Registers by the official provisioning client; rejects with its error. */
export function register(cloud: Cloud, registrationId: string, proof: Proof, idScope = cloud.dps.idScope): Promise<Registered> {
  const base = newBase('azure-iot-provisioning-device-mqtt');
  base.setOptions({ ca: cloud.ca });
  const transport = new DpsMqtt(base as ConstructorParameters<typeof DpsMqtt>[0]);
  transport.on('error', () => {});
  const security =
    'key' in proof ? new SymmetricKeySecurityClient(registrationId, proof.key) : new X509Security(registrationId, proof.leaf);
  // The packages declare one class in several copies, which the compiler holds apart.
  const client = ProvisioningDeviceClient.create(
    `localhost:${cloud.dps.mqttPort}`,
    idScope,
    transport,
    security as unknown as Parameters<typeof ProvisioningDeviceClient.create>[3],
  );
  return new Promise((resolve, reject) => {
    client.register((error, result) => (error ? reject(error) : resolve(result as unknown as Registered)));
  });
}

/** Signs in to a hub by the official device client; rejects with its error. */
export async function signIn(cloud: Cloud, hub: string, deviceId: string, proof: Proof, tokenSeconds = 3600): Promise<Client> {
  const where = { host: hub, deviceId, gatewayHostName: `localhost:${cloud.dps.mqttPort}` };
  const provider =
    'key' in proof
      ? SharedAccessKeyAuthenticationProvider.fromConnectionString(
          `HostName=${hub};DeviceId=${deviceId};SharedAccessKey=${proof.key};GatewayHostName=${where.gatewayHostName}`,
          tokenSeconds,
          1,
        )
      : new X509AuthenticationProvider({ ...where, x509: proof.leaf });
  const client = new DeviceClient(new HubMqtt(provider));
  client.setRetryPolicy(new common.NoRetry());
  client.on('error', () => {});
  await client.setOptions({ ca: cloud.ca });
  try {
    await client.open();
  } catch (error) {
    await client.close().catch(() => {});
    throw error;
  }
  return client;
}

/** The twin of a signed-in device. */
export function twinOf(client: Client): Promise<Twin> {
  return client.getTwin();
}

interface Base {
  setOptions(options: { ca: string }): void;
}

// Each transport must get the base of its own copy of the package.
function newBase(transport: string): Base {
  const here = createRequire(import.meta.url);
  const { MqttBase } = createRequire(here.resolve(transport))('azure-iot-mqtt-base') as { MqttBase: new () => Base };
  return new MqttBase();
}
