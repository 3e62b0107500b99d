import type { EventEmitter } from 'node:events';
import { request as httpsRequest } from 'node:https';
import { json } from 'node:stream/consumers';
import type { Cloud } from '@zerotouch/cloud-sim/cloud';
import type { PolicyRecord } from '@zerotouch/cloud-sim/store/store';
import common, { type Message } from 'azure-iot-common';
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

/** A call of a hub's service API that no client of Azure makes, as a policy, with a token for a resource. */
export function askHub(
  cloud: Cloud,
  host: string,
  { method = 'GET', path, policy = 'iothubowner', resource = host, body }: HubCall,
): Promise<{ status: number; body: unknown; error: string | undefined }> {
  const { name, primaryKey } = cloud.hubsAdmin.policies(host).find((one) => one.name === policy) as PolicyRecord;
  const authorization = common.SharedAccessSignature.create(resource, name, primaryKey, Math.floor(Date.now() / 1000) + 3600).toString();
  const headers = { host, authorization, 'content-type': 'application/json' };
  return new Promise((resolve, reject) => {
    const request = httpsRequest({ agent: new ToCloud(cloud), method, path, headers }, (response) => {
      json(response).then(
        (answer) => resolve({ status: response.statusCode ?? 0, body: answer, error: response.headers['iothub-errorcode']?.toString() }),
        reject,
      );
    });
    request.on('error', reject);
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

interface HubCall {
  method?: string;
  /** With its query. */
  path: string;
  policy?: string;
  /** What the token is for; default: the hub. */
  resource?: string;
  body?: unknown;
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
