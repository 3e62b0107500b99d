import { Agent, type RequestOptions } from 'node:https';
import { createRequire } from 'node:module';
import { connect } from 'node:tls';
import type { Cloud } from '@zerotouch/cloud-sim/cloud';
import common from 'azure-iot-common';
import device, { type Client } from 'azure-iot-device';
import hubMqtt from 'azure-iot-device-mqtt';
import provisioning from 'azure-iot-provisioning-device';
import amqp from 'azure-iot-provisioning-device-amqp';
import http from 'azure-iot-provisioning-device-http';
import mqtt from 'azure-iot-provisioning-device-mqtt';
import { SymmetricKeySecurityClient } from 'azure-iot-security-symmetric-key';
import { X509Security } from 'azure-iot-security-x509';
import type { Proof, Registered } from '../official-clients.js';

const { ProvisioningDeviceClient } = provisioning;
const { Amqp, AmqpWs } = amqp;
const { Mqtt, MqttWs } = mqtt;
const { Http } = http;
const { Client: DeviceClient, SharedAccessKeyAuthenticationProvider, X509AuthenticationProvider } = device;

/** The official transports of DPS. */
export const TRANSPORTS = ['mqtt', 'mqtt-ws', 'amqp', 'amqp-ws', 'http'] as const;
export type TransportName = (typeof TRANSPORTS)[number];

type Security = Parameters<typeof ProvisioningDeviceClient.create>[3];
type AnyTransport = Parameters<typeof ProvisioningDeviceClient.create>[2];

/** Leads connections to the standard HTTPS port, which some clients insist on, to the cloud's own. */
export class ToCloud extends Agent {
  readonly #cloud: Cloud;

  constructor(cloud: Cloud) {
    super({ keepAlive: false });
    this.#cloud = cloud;
  }

  override createConnection(options: RequestOptions) {
    const { cert, key } = options as { cert?: string; key?: string };
    const credentials = cert === undefined || key === undefined ? {} : { cert, key };
    return connect({ host: '127.0.0.1', port: this.#cloud.dps.httpsPort, servername: 'localhost', ca: this.#cloud.ca, ...credentials });
  }
}

/** Registers by the official provisioning client over one of its transports; rejects with its error. */
export async function registerOver(
  cloud: Cloud,
  transportName: TransportName,
  registrationId: string,
  proof: Proof | { security: unknown },
  payload?: object,
): Promise<Registered> {
  const transport = transportTo(cloud, transportName);
  const client = ProvisioningDeviceClient.create(
    { mqtt: `localhost:${cloud.dps.mqttPort}`, amqp: `localhost:${amqpPort(cloud)}` }[transportName as string] ?? 'localhost',
    cloud.dps.idScope,
    transport as AnyTransport,
    ('security' in proof
      ? proof.security
      : 'key' in proof
        ? new SymmetricKeySecurityClient(registrationId, proof.key)
        : new X509Security(registrationId, { ...proof.leaf, ...{ ca: cloud.ca } })) as Security,
  );
  if (payload !== undefined) client.setProvisioningPayload(payload);
  return new Promise((resolve, reject) => {
    client.register((error, result) => (error ? reject(error) : resolve(result as unknown as Registered)));
  });
}

/** Signs in to a hub over MQTT over WebSocket by the official device client; rejects with its error. */
export async function signInOverWebSocket(cloud: Cloud, hub: string, deviceId: string, proof: Proof): Promise<Client> {
  const where = { host: hub, deviceId, gatewayHostName: 'localhost' };
  const provider =
    'key' in proof
      ? SharedAccessKeyAuthenticationProvider.fromConnectionString(
          `HostName=${hub};DeviceId=${deviceId};SharedAccessKey=${proof.key};GatewayHostName=localhost`,
        )
      : new X509AuthenticationProvider({ ...where, x509: proof.leaf });
  const client = new DeviceClient(new hubMqtt.MqttWs(provider));
  client.setRetryPolicy(new common.NoRetry());
  client.on('error', () => {});
  await client.setOptions({ ca: cloud.ca, mqtt: { webSocketAgent: new ToCloud(cloud) } });
  try {
    await client.open();
  } catch (error) {
    await client.close().catch(() => {});
    throw error;
  }
  return client;
}

function transportTo(cloud: Cloud, name: TransportName): unknown {
  const agent = new ToCloud(cloud);
  switch (name) {
    case 'mqtt':
    case 'mqtt-ws': {
      const base = baseOf('azure-iot-provisioning-device-mqtt', 'azure-iot-mqtt-base', 'MqttBase');
      base.setOptions({ ca: cloud.ca, mqtt: { webSocketAgent: agent } });
      const transport = new (name === 'mqtt' ? Mqtt : MqttWs)(base as never);
      transport.on('error', () => {});
      return transport;
    }
    case 'http': {
      const base = baseOf('azure-iot-provisioning-device-http', 'azure-iot-http-base', 'Http');
      base.setOptions({ ca: cloud.ca, http: { agent } });
      return new Http(base as never);
    }
    default: {
      const base = baseOf('azure-iot-provisioning-device-amqp', 'azure-iot-amqp-base', 'Amqp', true) as unknown as AmqpBase;
      const connectAsIs = base.connect.bind(base);
      // A TPM's connection takes no TLS options of its own.
      base.connect = (config, done) => {
        const { sslOptions } = config;
        connectAsIs({ ...config, sslOptions: { ...sslOptions, ca: cloud.ca, ...(name === 'amqp' ? {} : { agent }) } }, done);
      };
      const transport = new (name === 'amqp' ? Amqp : AmqpWs)(base as never);
      transport.on('error', () => {});
      return transport;
    }
  }
}

function amqpPort(cloud: Cloud): number {
  return (cloud.dps as { amqpPort?: number }).amqpPort ?? 0;
}

interface AmqpBase {
  connect(config: { sslOptions?: object }, done: unknown): void;
}

interface Base {
  setOptions(options: object): void;
}

// Each transport must get the base of its own copy of the package.
function baseOf(transport: string, packageName: string, className: string, ...args: unknown[]): Base {
  const here = createRequire(import.meta.url);
  const classes = createRequire(here.resolve(transport))(packageName) as Record<string, new (...args: unknown[]) => Base>;
  const found = classes[className];
  if (found === undefined) throw new Error(`${packageName} has no ${className}`);
  return new found(...args);
}
