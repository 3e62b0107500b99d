import type { EventEmitter } from 'node:events';
import type { Cloud } from '@zerotouch/cloud-sim/cloud';
import type { PolicyRecord } from '@zerotouch/cloud-sim/store/store';
import type { Message } from 'azure-iot-common';
import iothub, { type Client, type Registry } from 'azure-iothub';
import { ToCloud } from '../doors/clients.js';

interface WithRest {
  _restApiClient: { setOptions(options: { http: { agent: ToCloud } }): void };
}

/** The connection string of a policy of a hub; by default of the one that has every right. */
export function connectionString(cloud: Cloud, host: string, policy = 'iothubowner'): string {
  const record = cloud.hubsAdmin.policies(host).find(({ name }) => name === policy) as PolicyRecord;
  return `HostName=${host};SharedAccessKeyName=${record.name};SharedAccessKey=${record.primaryKey}`;
}

/** The official registry client; what would be in /etc/hosts is in its agent. */
export function registryOf(cloud: Cloud, host: string, policy?: string): Registry {
  const registry = iothub.Registry.fromConnectionString(connectionString(cloud, host, policy));
  (registry as unknown as WithRest)._restApiClient.setOptions({ http: { agent: new ToCloud(cloud) } });
  return registry;
}

interface WithAmqp {
  _transport: { _amqp: { connect(config: object, done: unknown): void } };
}

/** The official service client: messages over AMQP, methods over HTTPS. */
export function serviceClientOf(cloud: Cloud, host: string, policy?: string, transport: 'Amqp' | 'AmqpWs' = 'Amqp'): Client {
  const client = iothub.Client.fromConnectionString(connectionString(cloud, host, policy), iothub[transport]);
  const { _amqp: amqp } = (client as unknown as WithAmqp)._transport;
  const connect = amqp.connect.bind(amqp);
  const where =
    transport === 'Amqp'
      ? { uri: `amqps://localhost:${cloud.dps.amqpPort}`, sslOptions: { ca: cloud.ca } }
      : { sslOptions: { agent: new ToCloud(cloud) } };
  amqp.connect = (config, done) => connect({ ...config, ...where }, done);
  (client as unknown as WithRest)._restApiClient.setOptions({ http: { agent: new ToCloud(cloud) } });
  return client;
}

/** Where a service hears what became of its messages; each message's data is a JSON list of records. */
export type FeedbackReceiver = EventEmitter & { complete(message: Message): Promise<unknown> };

/** The official feedback receiver of a service client that is open. */
export function feedbackReceiver(sender: Client): Promise<FeedbackReceiver> {
  return new Promise((resolve, reject) =>
    sender.getFeedbackReceiver((error, receiver) => (error ? reject(error) : resolve(receiver as unknown as FeedbackReceiver))),
  );
}

/** A connection string of a device that reaches the cloud at a port of this machine. */
export function deviceConnectionString(host: string, deviceId: string, key: string, port?: number): string {
  return `HostName=${host};DeviceId=${deviceId};SharedAccessKey=${key};GatewayHostName=localhost${port === undefined ? '' : `:${port}`}`;
}
