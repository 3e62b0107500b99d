import { randomUUID } from 'node:crypto';
import { buildSas } from '@zerotouch/azure-wire/sas';
import { Fault } from '@zerotouch/foundation/fault';
import type { LocalCloud } from './local-cloud.js';
import { serviceOf, type Target } from './service-target.js';

interface MessageOptions extends Target {
  deviceId: string;
  data: string;
  /** `key=value;key=value` */
  properties?: string;
  messageId?: string;
  correlationId?: string;
  userId?: string;
  contentType?: string;
  contentEncoding?: string;
  ack?: 'none' | 'positive' | 'negative' | 'full';
  /** Milliseconds since 1970. */
  expiryTimeUtc?: number;
}

const TOKEN_SECONDS = 300;
const TIMEOUT_MS = 30_000;

/**
 * Sends a message to a device, over AMQP: Azure's hubs take it in no other way.
 * @throws Fault CALL_REFUSED with the hub's own words, NO_LOCAL_CLOUD
 */
export async function sendMessage(cloud: LocalCloud, given: MessageOptions): Promise<undefined> {
  const { host, policy } = await serviceOf(cloud, 'hub', given);
  const { default: rhea } = await import('rhea');
  const key = Buffer.from(policy.primaryKey, 'base64');
  const expiry = Date.now() / 1000 + TOKEN_SECONDS;
  const connection = rhea.create_container().connect({
    transport: 'tls',
    host: '127.0.0.1',
    servername: 'localhost',
    port: cloud.state.dps.amqpPort,
    ca: cloud.ca,
    username: `${policy.keyName}@sas.root.${host.split('.')[0]}`,
    password: buildSas({ resource: host, key, expiry, keyName: policy.keyName }),
    reconnect: false,
  });
  try {
    await new Promise<void>((resolve, reject) => {
      const noAnswer = (what: string): void => reject(new Fault('NO_LOCAL_CLOUD', `the hub cannot be asked: ${what}`, { where: host }));
      const refused = ({ condition = '', description = '' }: { condition?: string; description?: string } = {}): void =>
        reject(new Fault('CALL_REFUSED', description || condition || 'it refused the message', { where: host }));
      const timer = setTimeout(() => noAnswer('it does not answer'), TIMEOUT_MS);
      timer.unref();
      const sender = connection.open_sender('/messages/devicebound');
      sender.once('sendable', () => sender.send(messageOf(given, rhea)));
      sender.on('accepted', () => resolve());
      sender.on('rejected', ({ delivery }) => refused(delivery?.remote_state?.error));
      sender.on('sender_error', () => refused(sender.error as object));
      connection.on('connection_error', () => refused(connection.error as object));
      connection.on('disconnected', ({ error }) => noAnswer(error?.message ?? 'it hung up'));
      connection.on('error', (error: Error) => noAnswer(error.message));
    });
  } finally {
    connection.removeAllListeners('disconnected');
    connection.close();
  }
  return undefined;
}

/** Drops what waits for a device. */
export async function purgeMessages(cloud: LocalCloud, given: MessageOptions): Promise<unknown> {
  const { call } = await serviceOf(cloud, 'hub', given);
  return (await call({ method: 'DELETE', path: `/devices/${encodeURIComponent(given.deviceId)}/commands` })).body;
}

function messageOf(given: MessageOptions, rhea: typeof import('rhea')): import('rhea').Message {
  const { deviceId, data, properties = '', messageId = randomUUID(), correlationId, userId, contentType, contentEncoding } = given;
  const pairs = properties.split(';').flatMap((pair): [string, string][] => {
    const [name = '', ...value] = pair.split('=');
    return name.trim() === '' ? [] : [[name.trim(), value.join('=')]];
  });
  return {
    to: `/devices/${deviceId}/messages/devicebound`,
    message_id: messageId,
    ...(correlationId === undefined ? {} : { correlation_id: correlationId }),
    ...(userId === undefined ? {} : { user_id: userId }),
    ...(contentType === undefined ? {} : { content_type: contentType }),
    ...(contentEncoding === undefined ? {} : { content_encoding: contentEncoding }),
    ...(given.expiryTimeUtc === undefined ? {} : { absolute_expiry_time: new Date(given.expiryTimeUtc) }),
    application_properties: { ...Object.fromEntries(pairs), ...(given.ack === undefined ? {} : { 'iothub-ack': given.ack }) },
    body: rhea.message.data_section(Buffer.from(data)),
  };
}
