import { once } from 'node:events';
import type { Cloud } from '@zerotouch/cloud-sim/cloud';
import type { Client, DeviceMethodRequest, DeviceMethodResponse, Message } from 'azure-iot-device';
import t, { type Test } from 'tap';
import { cloudFor, derived, key, keyGroup, lastAttempt } from '../clouds.js';
import { ManualClock } from '../manual-clock.js';
import { register, signIn } from '../official-clients.js';

const GROUP_KEY = key('line 7');

async function provisioned(cloud: Cloud, id = 'dev-1') {
  await keyGroup(cloud, 'line-7', GROUP_KEY);
  const deviceKey = derived(GROUP_KEY, id);
  const { assignedHub } = await register(cloud, id, { key: deviceKey });
  return { host: assignedHub, key: deviceKey, hub: cloud.hub(assignedHub) };
}

async function connected(t: Test, cloud: Cloud, host: string, key: string, id = 'dev-1'): Promise<Client> {
  const client = await signIn(cloud, host, id, { key });
  t.teardown(() => client.close().catch(() => {}));
  return client;
}

function listen(client: Client, name: string, answer: (request: DeviceMethodRequest, response: DeviceMethodResponse) => void): void {
  client.onDeviceMethod(name, answer);
}

t.test('a direct method goes to the device, its answer back', async (t) => {
  const cloud = await cloudFor(t);
  const { host, key, hub } = await provisioned(cloud);
  await t.rejects(hub.invokeMethod('nobody', { name: 'reboot' }), { code: 'UNKNOWN_DEVICE' });
  await t.rejects(hub.invokeMethod('dev-1', { name: 'reboot' }), { code: 'NOT_CONNECTED' });
  const client = await connected(t, cloud, host, key);
  await t.rejects(hub.invokeMethod('dev-1', { name: 'reboot' }), { code: 'NOT_CONNECTED' }, 'who does not listen is not there');

  // Called before the device listens: the call waits for it.
  const early = hub.invokeMethod('dev-1', { name: 'reboot', payload: { delay: 5 }, connectTimeoutMs: 30_000 });
  listen(client, 'reboot', (request, response) => response.send(207, { heard: request.payload }));
  t.strictSame(await early, { status: 207, payload: { heard: { delay: 5 } } });
  t.strictSame(await hub.invokeMethod('dev-1', { name: 'reboot', payload: 'now' }), { status: 207, payload: { heard: 'now' } });
  listen(client, 'quiet', () => {});
  await t.rejects(hub.invokeMethod('dev-1', { name: 'quiet', responseTimeoutMs: 50 }), { code: 'NO_ANSWER' });
});

t.test('messages wait for a device that is away, and go once it has them', async (t) => {
  const cloud = await cloudFor(t);
  const { host, key, hub } = await provisioned(cloud);
  await hub.sendMessage('dev-1', {
    body: '{"open":true}',
    messageId: 'm-1',
    contentType: 'application/json',
    properties: { 'a+b': 'c=d&e' },
  });
  await hub.sendMessage('dev-1', { body: Buffer.from([0, 255]), messageId: 'm-2' });
  await t.rejects(hub.sendMessage('nobody', { body: '' }), { code: 'UNKNOWN_DEVICE' });
  await t.rejects(hub.sendMessage('dev-1', { body: Buffer.alloc(65 * 1024) }), { code: 'MESSAGE_REFUSED', message: /64 KB/ });
  await t.rejects(hub.sendMessage('dev-1', { body: '', expires: 1 }), { code: 'MESSAGE_REFUSED', message: /past/ });

  const client = await connected(t, cloud, host, key);
  const heard: Message[] = [];
  const third = new Promise<void>((resolve) => {
    client.on('message', (message: Message) => {
      heard.push(message);
      if (heard.length === 3) resolve();
    });
  });
  await once(client, 'message');
  await hub.sendMessage('dev-1', { body: 'third', messageId: 'm-3' });
  await third;
  t.strictSame(
    heard.map(({ messageId, data }) => [messageId, Buffer.from(data as Buffer).toString('hex')]),
    [
      ['m-1', Buffer.from('{"open":true}').toString('hex')],
      ['m-2', '00ff'],
      ['m-3', Buffer.from('third').toString('hex')],
    ],
  );
  t.equal(heard[0]?.properties.getItem(0)?.key, 'a+b');
  t.equal(heard[0]?.properties.getItem(0)?.value, 'c=d&e');
  // The acknowledgement of the last is on its way: one more answer shows that it came.
  await client.getTwin();
  t.strictSame(await hub.query("SELECT cloudToDeviceMessageCount AS n FROM devices WHERE deviceId = 'dev-1'"), [{ n: 0 }]);
});

t.test('fifty messages are kept, each until its time is over', async (t) => {
  const clock = new ManualClock(Date.now());
  const cloud = await cloudFor(t, { clock });
  const { hub } = await provisioned(cloud);
  for (let n = 0; n < 50; n++) await hub.sendMessage('dev-1', { body: String(n), expires: clock.now() + 1000 * (n + 1) });
  await t.rejects(hub.sendMessage('dev-1', { body: 'one too many' }), { code: 'MESSAGE_REFUSED', message: /fifty/ });
  clock.advance(10_000);
  await hub.sendMessage('dev-1', { body: 'fits again' });
  t.strictSame(await hub.query('SELECT cloudToDeviceMessageCount AS n FROM devices'), [{ n: 41 }]);
});

t.test('one connection an identity: the older is dropped, and taking turns is named', async (t) => {
  const cloud = await cloudFor(t);
  const { host, key } = await provisioned(cloud);
  const first = await connected(t, cloud, host, key);
  const dropped = once(first, 'disconnect');
  const second = await connected(t, cloud, host, key);
  await dropped;
  t.match(await lastAttempt(cloud, 'dev-1'), {
    outcome: 'dropped',
    wire: { status: 400, errorCode: 400027 },
    reason: { rule: 'connection-replaced' },
  });
  t.ok(await second.getTwin(), 'the newer one works');
  for (let turn = 0; turn < 3; turn++) await connected(t, cloud, host, key);
  t.match(await lastAttempt(cloud, 'dev-1'), {
    outcome: 'dropped',
    reason: { rule: 'identity-shared', text: /take turns/, seen: /4 connections/, remedy: /second device with the same image/ },
  });
});
