import { once } from 'node:events';
import common from 'azure-iot-common';
import service from 'azure-iot-common';
import device, { type Message } from 'azure-iot-device';
import amqp from 'azure-iot-device-amqp';
import t, { type Test } from 'tap';
import { issue, makeAuthority } from '../certificates.js';
import { cloudFor, lastAttempt } from '../clouds.js';
import { ToCloud } from '../doors/clients.js';
import { ManualClock } from '../manual-clock.js';
import { deviceConnectionString, feedbackReceiver, serviceClientOf } from './service-clients.js';

type Transport = 'Amqp' | 'AmqpWs';

async function open(t: Test, options = {}) {
  const cloud = await cloudFor(t, options);
  const host = cloud.hubs[0]?.host ?? '';
  const hub = cloud.hub(host);
  const { authentication } = await hub.createDevice({ deviceId: 'dev-1' });
  return { cloud, host, hub, key: 'primaryKey' in authentication ? authentication.primaryKey : '' };
}

async function connect(
  t: Test,
  { cloud, host, key }: Pick<Awaited<ReturnType<typeof open>>, 'cloud' | 'host' | 'key'>,
  transport: Transport = 'Amqp',
) {
  const port = transport === 'Amqp' ? cloud.dps.amqpPort : undefined;
  const client = device.Client.fromConnectionString(deviceConnectionString(host, 'dev-1', key, port), amqp[transport]);
  t.teardown(() => client.close().catch(() => {}));
  client.setRetryPolicy(new common.NoRetry());
  client.on('error', () => {});
  await client.setOptions({ ca: cloud.ca, ...(transport === 'Amqp' ? {} : { amqp: { webSocketAgent: new ToCloud(cloud) } }) } as never);
  await client.open();
  return client;
}

for (const transport of ['Amqp', 'AmqpWs'] as const) {
  t.test(`a device over ${transport}: telemetry, twin, methods`, async (t) => {
    const scene = await open(t);
    const { cloud, hub } = scene;
    const client = await connect(t, scene, transport);
    t.match(await lastAttempt(cloud, 'dev-1'), {
      outcome: 'signed-in',
      transport: transport === 'Amqp' ? 'amqp' : 'amqp-ws',
      wire: { status: 200 },
    });
    const events = hub.events();
    const message = new device.Message('{"celsius":21}');
    Object.assign(message, { contentType: 'application/json', contentEncoding: 'utf-8', messageId: 'm-1' });
    message.properties.add('alarm', 'false');
    await client.sendEvent(message);
    t.match((await events.next()).value, {
      deviceId: 'dev-1',
      body: Buffer.from('{"celsius":21}'),
      systemProperties: { message_id: 'm-1', content_type: 'application/json', 'iothub-connection-device-id': 'dev-1' },
      applicationProperties: { alarm: 'false' },
    });

    await hub.updateDesired('dev-1', { interval: 5 });
    const twin = await client.getTwin();
    t.match(twin.properties.desired, { interval: 5, $version: 2 });
    await new Promise<void>((resolve, reject) =>
      twin.properties.reported.update({ interval: 5 }, (error: Error) => (error ? reject(error) : resolve())),
    );
    t.match((await hub.twin('dev-1')).properties.reported, { interval: 5, $version: 2 });
    await t.rejects(
      new Promise<void>((resolve, reject) =>
        twin.properties.reported.update({ 'a.b': 5 }, (error: Error) => (error ? reject(error) : resolve())),
      ),
      { message: /holds the key "a\.b"/ },
    );
    const changed = new Promise((resolve) => {
      twin.on('properties.desired', (desired: { $version: number }) => desired.$version === 3 && resolve(desired));
    });
    await client.getTwin();
    await hub.updateDesired('dev-1', { interval: 6 });
    t.match(await changed, { interval: 6, $version: 3 });

    const sent = new Promise<void>((resolve, reject) => {
      client.onDeviceMethod('reboot', (request, response) => response.send(200, { heard: request.payload }).then(() => resolve(), reject));
    });
    const answer = await hub.invokeMethod('dev-1', { name: 'reboot', payload: [1], connectTimeoutMs: 30_000 });
    t.strictSame(answer, { status: 200, payload: { heard: [1] } });
    // The service can have the answer before the device hears that it was taken; who closes then loses the link under the SDK's send.
    await sent;
    await client.close();
  });
}

t.test('messages are completed, rejected and abandoned, and their sender hears of it', async (t) => {
  const scene = await open(t);
  const { cloud, host } = scene;
  const sender = serviceClientOf(cloud, host, 'service');
  await sender.open();
  t.teardown(() => sender.close());
  const receiver = await feedbackReceiver(sender);
  const told: { originalMessageId: string; statusCode: string }[] = [];
  const all = new Promise<void>((resolve) => {
    receiver.on('message', (message: Message) => {
      told.push(...(JSON.parse(message.getData().toString()) as typeof told));
      void receiver.complete(message);
      if (told.length === 3) resolve();
    });
  });
  const send = (messageId: string, ack = 'full') => {
    const message = new service.Message(messageId);
    Object.assign(message, { messageId, ack });
    message.properties.add('n', messageId);
    return sender.send('dev-1', message as never);
  };
  await send('complete');
  await send('reject');
  await send('abandon');
  await t.rejects(sender.send('nobody', 'x'), { name: 'DeviceNotFoundError' });

  const client = await connect(t, scene);
  let times = 0;
  // The client's library tells different outcomes of one turn of the event loop as the first of them: each has a turn of its own.
  const turns: (() => unknown)[] = [];
  const turn = (): void => {
    turns.shift()?.();
    if (turns.length > 0) setImmediate(turn);
  };
  client.on('message', (message: Message) => {
    if (message.messageId === 'abandon') times++;
    const how = message.messageId as 'complete' | 'reject' | 'abandon';
    turns.push(() => void client[how](message));
    if (turns.length === 1) setImmediate(turn);
  });
  await all;
  t.strictSame(told.map(({ originalMessageId, statusCode }) => `${originalMessageId} ${statusCode}`).sort(), [
    'abandon DeliveryCountExceeded',
    'complete Success',
    'reject Rejected',
  ]);
  t.equal(times, 10, 'an abandoned message comes again, as often as Azure lets it');
});

t.test('messages that nobody fetched in time, over AMQP over WebSocket', async (t) => {
  const clock = new ManualClock(Date.now());
  const { cloud, host } = await open(t, { clock });
  const sender = serviceClientOf(cloud, host, 'service', 'AmqpWs');
  await sender.open();
  t.teardown(() => sender.close());
  const message = new service.Message('late');
  Object.assign(message, { messageId: 'late', ack: 'negative', expiryTimeUtc: clock.now() + 60_000 });
  await sender.send('dev-1', message as never);
  const receiver = await feedbackReceiver(sender);
  const feedback = once(receiver, 'message') as Promise<[Message]>;
  clock.advance(61_000);
  clock.advance(2000);
  const [heard] = await feedback;
  t.match(JSON.parse(heard.getData().toString()), [{ originalMessageId: 'late', statusCode: 'Expired', deviceId: 'dev-1' }]);
});

t.test('who is not let in over AMQP: devices and services', async (t) => {
  const scene = await open(t);
  const { cloud, host, hub } = scene;
  await t.rejects(connect(t, { ...scene, key: Buffer.alloc(64).toString('base64') }), { name: 'UnauthorizedError' });
  t.match(await lastAttempt(cloud, 'dev-1'), {
    outcome: 'refused',
    wire: { status: 401, errorCode: 401003 },
    reason: { rule: 'sas-signature' },
  });
  await hub.setStatus('dev-1', 'disabled');
  await t.rejects(connect(t, scene));
  t.match(await lastAttempt(cloud, 'dev-1'), { wire: { status: 403, errorCode: 403012 }, reason: { rule: 'device-disabled' } });
  await t.rejects(serviceClientOf(cloud, host, 'registryRead').open(), /Could not connect/);
});

t.test('a service that wants notifications of file uploads hears that there are none', async (t) => {
  const { cloud, host } = await open(t);
  const client = serviceClientOf(cloud, host, 'service');
  await client.open();
  t.teardown(() => client.close().catch(() => {}));
  // The client takes an error of one link for that of its connection.
  const gone = new Promise<{ reason: unknown }>((resolve) => {
    client.getFileNotificationReceiver(() => client.once('disconnect', resolve));
  });
  t.match((await gone).reason, { condition: 'amqp:not-implemented', description: /file upload is not supported by the local hub/ });
});

t.test('a device with a certificate signs in without SASL and without a token; the end of a token ends the connection', async (t) => {
  const clock = new ManualClock(Date.now());
  const scene = await open(t, { clock });
  const { cloud, host, hub } = scene;
  const leaf = await issue(await makeAuthority('Root'), 'cert-1');
  const { X509Certificate } = await import('node:crypto');
  const print = new X509Certificate(leaf.cert).fingerprint256.replaceAll(':', '');
  await hub.createDevice({
    deviceId: 'cert-1',
    authentication: { type: 'selfSigned', primaryThumbprint: print, secondaryThumbprint: print },
  });
  const provider = new device.X509AuthenticationProvider({
    host,
    deviceId: 'cert-1',
    gatewayHostName: `localhost:${cloud.dps.amqpPort}`,
    x509: leaf,
  });
  const certified = new device.Client(new amqp.Amqp(provider));
  certified.on('error', () => {});
  t.teardown(() => certified.close().catch(() => {}));
  await certified.setOptions({ ca: cloud.ca });
  await certified.open();
  const events = hub.events({ deviceId: 'cert-1' });
  await certified.sendEvent(new device.Message('x'));
  t.match((await events.next()).value, { systemProperties: { 'iothub-connection-auth-method': /x509/ } });

  const client = await connect(t, scene);
  const gone = once(client, 'disconnect');
  // The token is good for an hour; the client renews it by its own clock, which does not move.
  clock.advance(3_700_000);
  await gone;
  t.pass('the connection ended with its token');
});
