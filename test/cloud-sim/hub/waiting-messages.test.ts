import { once } from 'node:events';
import { request } from 'node:https';
import { type Cloud, startCloud } from '@zerotouch/cloud-sim/cloud';
import common, { type Message } from 'azure-iot-common';
import type { Client } from 'azure-iothub';
import t, { type Test } from 'tap';
import { cloudFor } from '../clouds.js';
import { ToCloud } from '../doors/clients.js';
import { ManualClock } from '../manual-clock.js';
import { signIn } from '../official-clients.js';
import { policyToken } from './raw-amqp.js';
import { feedbackReceiver, serviceClientOf } from './service-clients.js';

const host = 'hub-weu.azure-devices.net';

async function withDevice(cloud: Cloud): Promise<string> {
  const { authentication } = await cloud.hub(host).createDevice({ deviceId: 'dev-1' });
  return 'primaryKey' in authentication ? authentication.primaryKey : '';
}

async function senderFor(t: Test, cloud: Cloud): Promise<Client> {
  const client = serviceClientOf(cloud, host, 'service');
  await client.open();
  t.teardown(() => client.close().catch(() => {}));
  return client;
}

function send(sender: Client, messageId: string, more: object = {}) {
  return sender.send('dev-1', Object.assign(new common.Message(messageId), { messageId, ...more }) as never);
}

/** What becomes of messages, as it is told, in order. */
async function feedbackOf(sender: Client): Promise<(count: number) => Promise<string[]>> {
  const receiver = await feedbackReceiver(sender);
  const told: string[] = [];
  receiver.on('message', (message: Message) => {
    const records = JSON.parse(message.getData().toString()) as { originalMessageId: string; statusCode: string }[];
    told.push(...records.map(({ originalMessageId, statusCode }) => `${originalMessageId} ${statusCode}`));
    void receiver.complete(message);
  });
  return async (count) => {
    while (told.length < count) await once(receiver, 'message');
    return told.splice(0).sort();
  };
}

/** The call that `az iot device c2d-message purge` makes. */
async function purge(cloud: Cloud, deviceId: string, policy = 'service'): Promise<{ status: number | undefined; body: unknown }> {
  const call = request({
    agent: new ToCloud(cloud),
    host,
    method: 'DELETE',
    path: `/devices/${deviceId}/commands?api-version=2021-04-12`,
    headers: { authorization: policyToken(cloud, host, policy) },
  }).end();
  const [response] = await once(call, 'response');
  const chunks: Buffer[] = await response.toArray();
  return { status: response.statusCode, body: JSON.parse(Buffer.concat(chunks).toString()) };
}

t.test('a queue is purged, and whoever wanted to know is told', async (t) => {
  const cloud = await cloudFor(t);
  const key = await withDevice(cloud);
  const sender = await senderFor(t, cloud);
  const told = await feedbackOf(sender);
  await send(sender, 'a', { ack: 'negative' });
  await send(sender, 'b', { ack: 'positive' });
  await send(sender, 'c', { ack: 'full' });
  t.match(await purge(cloud, 'dev-1', 'device'), { status: 401 });
  t.match(await purge(cloud, 'nobody'), { status: 404, body: { Message: /DeviceNotFound/ } });
  t.strictSame(await purge(cloud, 'dev-1'), { status: 200, body: { deviceId: 'dev-1', moduleId: null, totalMessagesPurged: 3 } });
  t.strictSame(await told(2), ['a Purged', 'c Purged'], 'b wanted to hear of success alone');
  t.match(await purge(cloud, 'dev-1'), { body: { totalMessagesPurged: 0 } });
  await t.rejects(cloud.hub(host).purgeMessages('nobody'), { code: 'UNKNOWN_DEVICE' });
  const client = await signIn(cloud, host, 'dev-1', { key });
  t.teardown(() => client.close());
  const heard = once(client, 'message') as Promise<[Message]>;
  await send(sender, 'd');
  t.equal((await heard)[0].messageId, 'd', 'the first that comes is the first after the purge');
});

t.test('fifty messages wait, no more: the next is refused with Azure’s error', async (t) => {
  const clock = new ManualClock(Date.now());
  const cloud = await cloudFor(t, { clock });
  await withDevice(cloud);
  const sender = await senderFor(t, cloud);
  const told = await feedbackOf(sender);
  await send(sender, 'first', { ack: 'full', expiryTimeUtc: clock.now() + 60_000 });
  for (let n = 1; n < 50; n++) await send(sender, `m-${n}`);
  await t.rejects(send(sender, 'one too many'), { name: 'DeviceMaximumQueueDepthExceededError' });
  clock.advance(61_000);
  clock.advance(2000);
  t.strictSame(await told(1), ['first Expired']);
  await send(sender, 'fits again');
});

t.test('messages, and what became of them, outlive the cloud', async (t) => {
  const data = t.testdir();
  const first = await startCloud({ data });
  const key = await withDevice(first);
  const before = await senderFor(t, first);
  for (const id of ['a', 'b']) await send(before, id, { ack: 'full', contentType: 'text/plain' });
  await before.close();
  await first.close();

  const second = await startCloud({ data });
  t.strictSame(await second.hub(host).query('SELECT cloudToDeviceMessageCount AS n FROM devices'), [{ n: 2 }]);
  const client = await signIn(second, host, 'dev-1', { key });
  const ids: string[] = [];
  const both = new Promise<void>((resolve) => client.on('message', ({ messageId }: Message) => ids.push(messageId) === 2 && resolve()));
  await both;
  t.strictSame(ids, ['a', 'b']);
  // The acknowledgements go before what is asked after them.
  await client.getTwin();
  await client.close();
  await second.close();

  const third = await cloudFor(t, { data });
  const told = await feedbackOf(await senderFor(t, third));
  t.strictSame(await told(2), ['a Success', 'b Success'], 'feedback that nobody fetched is kept as well');
});
