import { once } from 'node:events';
import { buildSas } from '@zerotouch/azure-wire/sas';
import fc from 'fast-check';
import rhea, { type EventContext, type Message } from 'rhea';
import t, { type Test } from 'tap';
import { cloudFor, lastAttempt } from '../clouds.js';
import { deviceToken, policyToken, RawAmqp } from './raw-amqp.js';

const BATCH = 0x80013700;

async function open(t: Test) {
  const cloud = await cloudFor(t);
  const host = cloud.hubs[0]?.host ?? '';
  const hub = cloud.hub(host);
  const { authentication } = await hub.createDevice({ deviceId: 'dev-1' });
  const key = 'primaryKey' in authentication ? authentication.primaryKey : '';
  const token = deviceToken(host, 'dev-1', key);
  const as = (username: string, password = token) => new RawAmqp(t, cloud, { username, password });
  return { cloud, host, hub, key, token, as };
}

t.test('devices and services sign in by SASL PLAIN, with the name of the hub or its host', async (t) => {
  const { cloud, host, hub, as } = await open(t);
  const [name = ''] = host.split('.');
  const events = hub.events();
  for (const where of [name, host]) {
    const device = as(`dev-1@sas.${where}`);
    await device.send(await device.sender('/devices/dev-1/messages/events'), { body: where });
    t.match((await events.next()).value, { deviceId: 'dev-1', body: Buffer.from(where) });
    const letIn = (await cloud.attempts('dev-1')).filter(({ outcome }) => outcome === 'signed-in');
    t.match(letIn.at(-1), { transport: 'amqp', host }, where);

    const service = as(`service@sas.root.${where}`, policyToken(cloud, host, 'service'));
    await service.send(await service.sender('/messages/devicebound'), {
      to: '/devices/dev-1/messages/devicebound',
      body: where,
    } as Message);
  }
  t.strictSame(await hub.query('SELECT cloudToDeviceMessageCount AS n FROM devices'), [{ n: 2 }]);
  const service = as(`service@sas.root.${host}`, policyToken(cloud, host, 'service'));
  const sender = await service.sender('/messages/devicebound');
  await t.rejects(service.send(sender, { to: '/devices/%zz/messages/devicebound', body: 'x' } as Message), {
    code: 'amqp:not-found',
  });
  const device = as(`dev-1@sas.${host}`);
  const waiting = await device.receiver('/devices/dev-1/messages/devicebound');
  const [{ message }] = (await once(waiting, 'message')) as [EventContext];
  t.equal(String((message?.body as { content: Buffer }).content), name);
});

t.test('a device signs in as the SDK in C does: nobody by SASL, then a token, and addresses that name the host', async (t) => {
  const { cloud, host, hub, token } = await open(t);
  const device = new RawAmqp(t, cloud, { username: 'nobody' });
  t.equal(await device.putToken(`${host}/devices/dev-1`, token), 200);
  const base = `amqps://${host}/devices/dev-1`;
  const events = hub.events();
  await device.send(await device.sender(`${base}/messages/events`), { body: 'by its whole address' });
  t.match((await events.next()).value, { deviceId: 'dev-1' });
  const inbox = await device.receiver(`${base}/messages/devicebound`, 'the-inbox-of-the-device');
  t.match([inbox.source.address, inbox.target.address], [`${base}/messages/devicebound`, 'the-inbox-of-the-device'], 'both are answered');
});

t.test('who is not let in by SASL PLAIN hears it at the link, and the reason is kept', async (t) => {
  const { cloud, host, hub, key, token, as } = await open(t);
  await hub.createDevice({ deviceId: 'dev-2' });
  const events = '/devices/dev-1/messages/events';
  const other = Buffer.alloc(64).toString('base64');
  const over = buildSas({ resource: `${host}/devices/dev-1`, key: Buffer.from(key, 'base64'), expiry: 1_700_000_000 });
  for (const [what, user, password, rule, condition] of [
    ['another key', `dev-1@sas.${host}`, deviceToken(host, 'dev-1', other), 'sas-signature', 'amqp:unauthorized-access'],
    ['a token that is over', `dev-1@sas.${host}`, over, 'sas-expired', 'amqp:unauthorized-access'],
    ['no token', `dev-1@sas.${host}`, 'secret', 'sas-form', 'amqp:unauthorized-access'],
    ['the name of another device', `dev-2@sas.${host}`, token, 'client-id', 'amqp:unauthorized-access'],
    ['the token of another device', `dev-1@sas.${host}`, deviceToken(host, 'dev-2', key), 'sas-resource', 'amqp:unauthorized-access'],
    [
      'a policy that connects no devices',
      `service@sas.root.${host}`,
      policyToken(cloud, host, 'service'),
      'hub-policy',
      'amqp:unauthorized-access',
    ],
    ['another hub', 'dev-1@sas.elsewhere', token, 'hub-unknown', 'com.microsoft:iot-hub-not-found-error'],
  ] as const) {
    await t.rejects(as(user, password).sender(events), { code: condition }, what);
    t.match(await lastAttempt(cloud, 'dev-1'), { transport: 'amqp', outcome: 'refused', reason: { rule } }, what);
  }
  const messages = '/messages/devicebound';
  for (const [what, user, password] of [
    ['a policy that may not send', `registryRead@sas.root.${host}`, policyToken(cloud, host, 'registryRead')],
    ['a policy that there is not', `nobody@sas.root.${host}`, policyToken(cloud, host, 'service').replace('skn=service', 'skn=nobody')],
    ['a device', `dev-1@sas.${host}`, token],
  ] as const) {
    await t.rejects(as(user, password).sender(messages), { code: 'amqp:unauthorized-access' }, what);
  }
});

t.test('a batch is delivered as single messages, all or none', async (t) => {
  const { host, hub, as } = await open(t);
  const device = as(`dev-1@sas.${host}`);
  const sender = await device.sender('/devices/dev-1/messages/events');
  const events = hub.events();
  const one = (n: number): Buffer =>
    rhea.message.encode({
      message_id: `m-${n}`,
      content_type: 'application/json',
      application_properties: { n: String(n) },
      body: rhea.message.data_section(Buffer.from(`{"n":${n}}`)),
    } as Message);
  const batch = (...parts: Buffer[]): Buffer => rhea.message.encode({ body: rhea.message.data_sections(parts) } as Message);
  for (const parts of [[one(1)], [one(2), one(3), one(4)]]) await device.send(sender, batch(...parts), BATCH);
  for (const n of [1, 2, 3, 4]) {
    t.match((await events.next()).value, {
      deviceId: 'dev-1',
      body: Buffer.from(`{"n":${n}}`),
      systemProperties: { message_id: `m-${n}`, content_type: 'application/json' },
      applicationProperties: { n: String(n) },
    });
  }
  const argument = { code: 'com.microsoft:argument-error' };
  for (const [what, bytes] of [
    ['no sections', rhea.message.encode({ body: 'x' } as Message)],
    ['nothing', rhea.message.encode({ body: rhea.message.data_sections([]) } as Message)],
    ['a section that holds no message', batch(one(5), Buffer.from([0x00, 0x53, 0x75, 0xb0, 0xff, 0xff, 0xff, 0xff]))],
  ] as const)
    await t.rejects(device.send(sender, bytes, BATCH), argument, what);
  const large = rhea.message.encode({ body: rhea.message.data_section(Buffer.alloc(100 * 1024)) } as Message);
  await t.rejects(device.send(sender, batch(large, large, large), BATCH), { code: 'amqp:link:message-size-exceeded' });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 4 }), async (parts) => {
      // Whatever is in it: an answer, and a connection that goes on.
      await device.send(sender, batch(...parts.map((part) => Buffer.from(part))), BATCH).catch((error: { code?: string }) => {
        if (error.code !== argument.code) throw error;
      });
    }),
    { numRuns: 50, seed: 7 },
  );
  await device.send(sender, { body: 'after' } as Message);
});

t.test('what the local hub has not is refused by name, to a client that listens after its link is open', async (t) => {
  const { cloud, host, as } = await open(t);
  const service = as(`service@sas.root.${host}`, policyToken(cloud, host, 'service'));
  for (const [address, text] of [
    ['/messages/events/ConsumerGroups/$Default/Partitions/0', /Event Hubs endpoint is not supported.*zerotouch hub monitor/],
    ['/messages/serviceBound/filenotifications', /file upload is not supported/],
    ['/messages/elsewhere', /is not served/],
  ] as const) {
    const link = await service.receiver(address);
    await new Promise(setImmediate);
    t.match(await service.closed(link), { condition: 'amqp:not-implemented', description: text });
  }
  const device = as(`dev-1@sas.${host}`);
  const link = await device.receiver('/devices/dev-1/files');
  await new Promise(setImmediate);
  t.match(await device.closed(link), { condition: 'amqp:not-implemented', description: /file upload is not supported/ });
});
