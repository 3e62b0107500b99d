import { once } from 'node:events';
import common from 'azure-iot-common';
import device, { type Message } from 'azure-iot-device';
import http from 'azure-iot-device-http';
import t, { type Test } from 'tap';
import { cloudFor, lastAttempt } from '../clouds.js';
import { ToCloud } from '../doors/clients.js';
import { deviceOver } from './device-clients.js';
import { connectionString, feedbackReceiver, serviceClientOf } from './service-clients.js';

async function open(t: Test) {
  const cloud = await cloudFor(t);
  const host = cloud.hubs[0]?.host ?? '';
  const hub = cloud.hub(host);
  const { authentication } = await hub.createDevice({ deviceId: 'dev-1' });
  const key = 'primaryKey' in authentication ? authentication.primaryKey : '';
  const client = (secret = key) => {
    const made = device.Client.fromConnectionString(`HostName=${host};DeviceId=dev-1;SharedAccessKey=${secret}`, http.Http);
    made.on('error', () => {});
    t.teardown(() => made.close().catch(() => {}));
    return made.setOptions({ http: { agent: new ToCloud(cloud), receivePolicy: { interval: 1 } } } as never).then(() => made);
  };
  return { cloud, host, hub, client };
}

t.test('a device over HTTPS sends messages, one and many', async (t) => {
  const { cloud, hub, client: make } = await open(t);
  const client = await make();
  const events = hub.events();
  const message = new device.Message('{"celsius":21}');
  Object.assign(message, { messageId: 'm-1', contentType: 'application/json' });
  message.properties.add('alarm', 'true');
  await client.sendEvent(message);
  t.match((await events.next()).value, {
    deviceId: 'dev-1',
    body: Buffer.from('{"celsius":21}'),
    systemProperties: { message_id: 'm-1', content_type: 'application/json' },
    applicationProperties: { alarm: 'true' },
  });
  const many = ['a', 'b'].map((text) => new device.Message(text));
  many[1]?.properties.add('last', 'yes');
  await client.sendEventBatch(many);
  t.match((await events.next()).value, { body: Buffer.from('a') });
  t.match((await events.next()).value, { body: Buffer.from('b'), applicationProperties: { last: 'yes' } });
  await events.return?.();
  await t.rejects((await make(Buffer.alloc(64).toString('base64'))).sendEvent(message), { name: 'UnauthorizedError' });
  t.match(await lastAttempt(cloud, 'dev-1'), {
    transport: 'http',
    wire: { status: 401, errorCode: 401003 },
    reason: { rule: 'sas-signature' },
  });
});

t.test('a device over HTTPS fetches its messages and settles them', async (t) => {
  const { hub, client: make } = await open(t);
  const client = await make();
  await hub.sendMessage('dev-1', { body: 'first', messageId: 'm-1', properties: { n: '1' } });
  const [message] = (await once(client, 'message')) as [Message];
  t.equal(message.messageId, 'm-1');
  t.equal(message.getData().toString(), 'first');
  await client.abandon(message);
  const [again] = (await once(client, 'message')) as [Message];
  t.equal(again.messageId, 'm-1');
  await client.complete(again);
  await t.rejects(client.complete(again), 'the lock is gone');
  t.strictSame(await hub.query('SELECT cloudToDeviceMessageCount AS n FROM devices'), [{ n: 0 }]);
});

t.test('a device over HTTPS rejects a message, and whoever sent it is told', async (t) => {
  const { cloud, host, hub, client: make } = await open(t);
  const client = await make();
  const service = serviceClientOf(cloud, host, 'service');
  await service.open();
  t.teardown(() => service.close());
  const told = once(await feedbackReceiver(service), 'message') as Promise<[Message]>;
  const sent = new common.Message('unwelcome');
  Object.assign(sent, { messageId: 'm-1', ack: 'full' });
  await service.send('dev-1', sent as never);
  const [message] = (await once(client, 'message')) as [Message];
  await client.reject(message);
  const [feedback] = await told;
  t.match(JSON.parse(feedback.getData().toString()), [{ originalMessageId: 'm-1', deviceId: 'dev-1', statusCode: 'Rejected' }]);
  t.strictSame(await hub.query('SELECT cloudToDeviceMessageCount AS n FROM devices'), [{ n: 0 }]);
  await t.rejects(client.complete(message), 'it is gone');
});

t.test('a message that a device could not be handed over HTTPS is not taken', async (t) => {
  const { cloud, host, hub, client: make } = await open(t);
  const sender = serviceClientOf(cloud, host);
  t.teardown(() => sender.close());
  await sender.open();
  const send = (property: [string, string], more: object = {}) => {
    const message = Object.assign(new common.Message('x'), more);
    message.properties.add(...property);
    return new Promise<unknown>((resolve, reject) =>
      sender.send('dev-1', message, (error, result) => (error ? reject(error) : resolve(result))),
    );
  };
  const refused = { name: 'ArgumentError', amqpError: { description: /cannot be a header/ } };
  await t.rejects(send(['größe', 'L']), refused);
  await t.rejects(send(['size', 'größe']), refused);
  await t.rejects(send(['size', 'two\nlines']), refused);
  await t.rejects(send(['two words', 'L']), refused);
  await t.rejects(send(['size', 'L'], { messageId: 'm→1' }), refused);
  await t.rejects(hub.sendMessage('dev-1', { body: 'x', properties: { größe: 'L' } }), { code: 'MESSAGE_REFUSED' });
  t.strictSame(await hub.query('SELECT cloudToDeviceMessageCount AS n FROM devices'), [{ n: 0 }]);
  await send(["a!#$%&'*+-.^_`|~1", 'of 2 (or so): "L"'], { messageId: 'm-1' });
  const client = await make();
  const [message] = (await once(client, 'message')) as [Message];
  t.equal(message.messageId, 'm-1');
  t.equal(message.properties.getItem(0)?.value, 'of 2 (or so): "L"');
  await client.complete(message);
});

t.test('file upload is refused by its name, whatever else a device speaks', async (t) => {
  const { cloud, host, hub } = await open(t);
  const { authentication } = await hub.createDevice({ deviceId: 'dev-2' });
  const key = 'primaryKey' in authentication ? authentication.primaryKey : '';
  for (const transport of ['http', 'mqtt'] as const) {
    const client = await deviceOver(t, cloud, transport, host, 'dev-2', key);
    const error = await client.getBlobSharedAccessSignature('log.txt').then(
      () => t.fail('there is no such storage'),
      (error: unknown) => error as Error & { responseBody: string; response: { statusCode: number } },
    );
    t.match(error, { response: { statusCode: 501 }, responseBody: /file upload is not supported by the local hub/ }, transport);
    await client.close();
  }
});

t.test('what devices send is an event stream for services', async (t) => {
  const { cloud, host, client: make } = await open(t);
  const client = await make();
  await client.sendEvent(new device.Message('before'));
  const { readHubEvents } = await import('@zerotouch/scripts/hub-events');
  const service = { connectionString: connectionString(cloud, host, 'service'), ca: cloud.ca, httpsPort: cloud.dps.httpsPort };
  const ended = new AbortController();
  const stream = readHubEvents(service, { from: 'earliest', signal: ended.signal });
  const first = await stream.next();
  t.match(first.value, { sequenceNumber: 1, deviceId: 'dev-1', body: Buffer.from('before') });
  await client.sendEvent(new device.Message('after'));
  t.match((await stream.next()).value, { sequenceNumber: 2, body: Buffer.from('after') });
  ended.abort();
  t.match(await stream.next(), { done: true });
  const device2 = { ...service, connectionString: connectionString(cloud, host, 'device') };
  await t.rejects(readHubEvents(device2, {}).next(), { code: 'HUB_REFUSED', message: /401/ });
});
