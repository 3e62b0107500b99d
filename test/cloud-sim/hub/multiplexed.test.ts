// Gateways with Azure's SDKs for C, Java and .NET bring many devices on one AMQP connection. No client for Node does, so the plain library has to.
import { once } from 'node:events';
import { buildSas } from '@zerotouch/azure-wire/sas';
import rhea, { type EventContext, type Message, type Session } from 'rhea';
import t, { type Test } from 'tap';
import { cloudFor, lastAttempt } from '../clouds.js';
import { ManualClock } from '../manual-clock.js';
import { deviceToken, policyToken, RawAmqp } from './raw-amqp.js';

async function open(t: Test, devices: number, clock = new ManualClock(Date.now())) {
  const cloud = await cloudFor(t, { clock });
  const host = cloud.hubs[0]?.host ?? '';
  const hub = cloud.hub(host);
  const keys = new Map<string, string>();
  for (let n = 1; n <= devices; n++) {
    const { authentication } = await hub.createDevice({ deviceId: `dev-${n}` });
    keys.set(`dev-${n}`, 'primaryKey' in authentication ? authentication.primaryKey : '');
  }
  const gateway = new RawAmqp(t, cloud, { username: 'gateway' });
  const put = (id: string, { expiry, session }: { expiry?: number; session?: Session | undefined } = {}) =>
    gateway.putToken(`${host}/devices/${id}`, deviceToken(host, id, keys.get(id) ?? '', expiry), session);
  const connected = async (): Promise<string[]> =>
    (await hub.devices()).flatMap(({ deviceId, connectionState }) => (connectionState === 'Connected' ? [deviceId] : [])).sort();
  return { cloud, clock, host, hub, gateway, put, connected };
}

/** Links of one device, as the SDKs open them. */
async function linksOf(gateway: RawAmqp, id: string, session?: Session) {
  const base = `/devices/${id}`;
  const events = await gateway.sender(`${base}/messages/events`, session);
  const inbox = await gateway.receiver(`${base}/messages/devicebound`, undefined, session);
  const calls = await gateway.receiver(`${base}/methods/devicebound`, undefined, session);
  const answers = await gateway.sender(`${base}/methods/devicebound`, session);
  calls.on('message', ({ message }: EventContext) => {
    const properties = { 'IoThub-status': 200 };
    const body = rhea.message.data_section(Buffer.from(JSON.stringify(id)));
    answers.send({ correlation_id: message?.correlation_id, application_properties: properties, body } as unknown as Message);
  });
  return { events, inbox };
}

for (const form of ['each in a session of its own', 'all in one session'] as const) {
  t.test(`devices on one connection, ${form}: telemetry, messages, methods; one goes, the others stay`, async (t) => {
    const { cloud, hub, gateway, put, connected } = await open(t, 12);
    const ids = Array.from({ length: 12 }, (_, n) => `dev-${n + 1}`);
    const sessions = new Map(ids.map((id) => [id, form === 'all in one session' ? undefined : gateway.session()]));
    const links = new Map<string, Awaited<ReturnType<typeof linksOf>>>();
    const events = hub.events();
    for (const id of ids) {
      const session = sessions.get(id);
      t.equal(await put(id, { session }), 200);
      const its = await linksOf(gateway, id, session);
      links.set(id, its);
      await gateway.send(its.events, { body: id });
      t.match((await events.next()).value, { deviceId: id, body: Buffer.from(id) });
    }
    t.strictSame(await connected(), ids.toSorted());
    for (const id of ids) {
      const got = once(links.get(id)?.inbox as never, 'message') as Promise<[EventContext]>;
      await hub.sendMessage(id, { body: `to ${id}`, messageId: id });
      t.equal((await got)[0].message?.message_id, id);
      t.strictSame(await hub.invokeMethod(id, { name: 'who', payload: null }), { status: 200, payload: id });
    }

    const gone = once(cloud.events, 'disconnected');
    if (form === 'all in one session') {
      await hub.setStatus('dev-3', 'disabled');
    } else sessions.get('dev-3')?.close();
    t.match(await gone, [{ deviceId: 'dev-3' }]);
    t.strictSame(await connected(), ids.filter((id) => id !== 'dev-3').toSorted());
    await gateway.send(links.get('dev-4')?.events as never, { body: 'still here' });
    t.match((await events.next()).value, { deviceId: 'dev-4' });

    if (form === 'all in one session') {
      await t.rejects(linksOf(gateway, 'dev-3'), { code: 'amqp:unauthorized-access' });
      t.match(await lastAttempt(cloud, 'dev-3'), { outcome: 'refused', reason: { rule: 'device-disabled' } });
    } else {
      await linksOf(gateway, 'dev-3');
      t.ok((await connected()).includes('dev-3'), 'its token is remembered');
    }
  });
}

t.test('who has put no token is refused on the connection of another, with the reason', async (t) => {
  const { cloud, gateway, put } = await open(t, 2);
  t.equal(await put('dev-1'), 200);
  await linksOf(gateway, 'dev-1');
  await t.rejects(linksOf(gateway, 'dev-2'), { code: 'amqp:unauthorized-access' });
  t.match(await lastAttempt(cloud, 'dev-2'), { transport: 'amqp', outcome: 'refused', reason: { rule: 'credential-missing' } });
});

t.test('of several devices, one whose token is over loses its links; the last ends the connection', async (t) => {
  const { cloud, clock, gateway, put, connected } = await open(t, 3);
  const soon = Math.floor(clock.now() / 1000) + 3600;
  for (const [id, expiry] of [
    ['dev-1', soon],
    ['dev-2', soon],
    ['dev-3', soon + 3600],
  ] as const)
    t.equal(await put(id, { expiry }), 200);
  const links = await linksOf(gateway, 'dev-1');
  await linksOf(gateway, 'dev-2');
  await linksOf(gateway, 'dev-3');
  t.equal(await put('dev-2', { expiry: soon + 3600 }), 200, 'a newer token');
  const closed = gateway.closed(links.events);
  const gone = once(cloud.events, 'disconnected');
  clock.advance(3_700_000);
  t.match(await closed, { condition: 'amqp:link:detach-forced', description: /token .* has expired/ });
  t.match(await gone, [{ deviceId: 'dev-1', cause: /expired/ }]);
  t.strictSame(await connected(), ['dev-2', 'dev-3']);
  clock.advance(3_600_000);
  await t.rejects(gateway.gone, /the connection ended/);
});

t.test('the token of a policy that may connect devices lets any in, and renews them', async (t) => {
  const { cloud, clock, host, hub, gateway, connected } = await open(t, 3);
  const key = cloud.hubsAdmin.policies(host).find(({ name }) => name === 'device')?.primaryKey ?? '';
  const token = (expiry: number): string => buildSas({ resource: host, key: Buffer.from(key, 'base64'), expiry, keyName: 'device' });
  const soon = Math.floor(clock.now() / 1000) + 3600;
  t.equal(await gateway.putToken(host, token(soon)), 200);
  const events = hub.events();
  for (const id of ['dev-1', 'dev-2']) {
    const its = await linksOf(gateway, id, gateway.session());
    await gateway.send(its.events, { body: id });
    t.match((await events.next()).value, { deviceId: id });
  }
  t.match(await lastAttempt(cloud, 'dev-2'), { transport: 'amqp', outcome: 'signed-in' });
  await t.rejects(gateway.sender('/messages/devicebound'), { code: 'amqp:unauthorized-access' }, 'it is no service');
  t.equal(await gateway.putToken(host, token(soon + 3600)), 200);
  clock.advance(3_700_000);
  await linksOf(gateway, 'dev-3');
  t.strictSame(await connected(), ['dev-1', 'dev-2', 'dev-3']);

  const other = new RawAmqp(t, cloud, { username: 'gateway' });
  t.equal(await other.putToken(host, policyToken(cloud, host, 'service')), 200);
  await t.rejects(other.sender('/devices/dev-1/messages/events'), { code: 'amqp:unauthorized-access' }, 'a service is no device');
});
