import type { Cloud } from '@zerotouch/cloud-sim/cloud';
import common from 'azure-iot-common';
import device, { type Client } from 'azure-iot-device';
import amqp from 'azure-iot-device-amqp';
import http from 'azure-iot-device-http';
import mqtt from 'azure-iot-device-mqtt';
import type { Test } from 'tap';
import { ToCloud, type TransportName } from '../doors/clients.js';
import { deviceConnectionString } from './service-clients.js';

const TRANSPORT = { mqtt: mqtt.Mqtt, 'mqtt-ws': mqtt.MqttWs, amqp: amqp.Amqp, 'amqp-ws': amqp.AmqpWs, http: http.Http } as const;

/** A device at its hub by the official client over one of its transports, with its key; closed with the test. */
export async function deviceOver(t: Test, cloud: Cloud, transport: TransportName, host: string, id: string, key: string): Promise<Client> {
  const { mqttPort, amqpPort } = cloud.dps;
  const port = { mqtt: mqttPort, amqp: amqpPort }[transport as string];
  const where =
    transport === 'http' ? `HostName=${host};DeviceId=${id};SharedAccessKey=${key}` : deviceConnectionString(host, id, key, port);
  const client = device.Client.fromConnectionString(where, TRANSPORT[transport] as typeof mqtt.Mqtt);
  t.teardown(() => client.close().catch(() => {}));
  client.setRetryPolicy(new common.NoRetry());
  client.on('error', () => {});
  const agent = new ToCloud(cloud);
  const ways = { http: { agent, receivePolicy: { interval: 1 } }, mqtt: { webSocketAgent: agent }, amqp: { webSocketAgent: agent } };
  const [kind = ''] = transport.split('-');
  // Whatever a device speaks, the client asks over HTTPS where to upload a file.
  const through = { http: ways.http, ...(transport === kind ? {} : { [kind]: ways[kind as keyof typeof ways] }) };
  await client.setOptions({ ca: cloud.ca, ...through } as never);
  await client.open();
  return client;
}
