import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { buildDpsUserName, parseDpsResponse, registerTopic, statusTopic } from '@zerotouch/azure-wire/dps-mqtt';
import { buildHubUserName } from '@zerotouch/azure-wire/hub-mqtt';
import { buildSas } from '@zerotouch/azure-wire/sas';
import type { Cloud } from '@zerotouch/cloud-sim/cloud';
import { generate, type IConnectPacket, type IPublishPacket, type Packet } from 'mqtt-packet';
import t from 'tap';
import { cloudFor, derived, key, keyGroup, lastAttempt } from './clouds.js';
import { ManualClock } from './manual-clock.js';
import { register } from './official-clients.js';
import { Wire } from './wire.js';

const GROUP_KEY = key('line 7');
const RESPONSES = '$dps/registrations/res/#';

function dpsConnect(cloud: Cloud, id: string, more: Partial<IConnectPacket> & { apiVersion?: string } = {}): Omit<IConnectPacket, 'cmd'> {
  const { apiVersion = '2021-06-01', ...rest } = more;
  const password = buildSas({
    resource: `${cloud.dps.idScope}/registrations/${id}`,
    key: Buffer.from(derived(GROUP_KEY, id), 'base64'),
    expiry: Date.now() / 1000 + 3600,
    keyName: 'registration',
  });
  const username = buildDpsUserName({ idScope: cloud.dps.idScope, registrationId: id, apiVersion });
  return { clientId: id, username, password: Buffer.from(password), keepalive: 0, clean: true, ...rest };
}

function hubConnect(hub: string, id: string, more: Partial<IConnectPacket> = {}): Omit<IConnectPacket, 'cmd'> {
  const sas = { resource: `${hub}/devices/${id}`, key: Buffer.from(derived(GROUP_KEY, id), 'base64'), expiry: Date.now() / 1000 + 3600 };
  return { clientId: id, username: buildHubUserName(hub, id), password: Buffer.from(buildSas(sas)), keepalive: 60, clean: false, ...more };
}

const subscribe = (...filters: string[]): Packet => ({
  cmd: 'subscribe',
  messageId: 1,
  subscriptions: filters.map((topic) => ({ topic, qos: 2 })),
});
const publish = (topic: string, payload = '', more: Partial<IPublishPacket> = {}): IPublishPacket => ({
  cmd: 'publish',
  topic,
  payload,
  qos: 0,
  dup: false,
  retain: false,
  ...more,
});

async function onHub(cloud: Cloud, id = 'dev-1', more: Partial<IConnectPacket> = {}): Promise<Wire> {
  await keyGroup(cloud, 'line-7', GROUP_KEY);
  const { assignedHub } = await register(cloud, id, { key: derived(GROUP_KEY, id) });
  const wire = await Wire.to(cloud);
  const code = await wire.connect(hubConnect(assignedHub, id, more));
  if (code !== 0) throw new Error(`${id} was not let in: ${code}`);
  return wire;
}

async function reply(
  wire: Wire,
): Promise<{ status: number | undefined; rid: string | undefined; retryAfter: number | undefined; body: Record<string, unknown> }> {
  const packet = await wire.next();
  if (packet.cmd !== 'publish') throw new Error(`not a reply: ${packet.cmd}`);
  const response = parseDpsResponse(packet.topic);
  return { status: response?.status, rid: response?.rid, retryAfter: response?.retryAfter, body: JSON.parse(packet.payload.toString()) };
}

t.test('register and poll: every form that clients use', async (t) => {
  const cloud = await cloudFor(t, { retryAfterSeconds: 2.5 });
  await keyGroup(cloud, 'line-7', GROUP_KEY);
  for (const [index, form] of [
    { body: '', qos: 0, keepalive: 0, clean: true, apiVersion: '2019-03-31' },
    { body: '{"registrationId":"FORM-1"}', qos: 1, keepalive: 60, clean: false, apiVersion: '2021-06-01' },
    { body: '{"payload":{"model":"x"}}', qos: 1, keepalive: 65_535, clean: false, apiVersion: '2099-12-01' },
  ].entries()) {
    const id = `form-${index}`;
    const wire = await Wire.to(cloud);
    const { keepalive, clean, apiVersion } = form;
    t.equal(await wire.connect(dpsConnect(cloud, id, { keepalive, clean, apiVersion })), 0);
    wire.send(subscribe(RESPONSES));
    t.match(await wire.next(), { cmd: 'suback', messageId: 1, granted: [1] }, 'QoS 2 is granted as 1');
    const qos = form.qos === 1 ? { qos: 1 as const, messageId: 7 } : {};
    wire.send(publish(registerTopic('r-1'), form.body, qos));
    if (form.qos === 1) t.match(await wire.next(), { cmd: 'puback', messageId: 7 });
    const first = await reply(wire);
    t.match(first, {
      status: 202,
      rid: 'r-1',
      retryAfter: 2.5,
      body: { status: 'assigning', operationId: /^5\.[0-9a-f]{16}\.[0-9a-f-]{36}$/ },
    });
    wire.send(publish(statusTopic('r-2', String(first.body.operationId)), '', qos));
    if (form.qos === 1) t.match(await wire.next(), { cmd: 'puback', messageId: 7 });
    t.match(await reply(wire), {
      status: 200,
      rid: 'r-2',
      body: {
        status: 'assigned',
        registrationState: { registrationId: id, deviceId: id, assignedHub: /^hub-/, etag: /^"/, createdDateTimeUtc: /\.\d{7}Z$/ },
      },
    });
    wire.end();
  }
});

t.test('requests that DPS cannot serve get the error body of Azure', async (t) => {
  const cloud = await cloudFor(t);
  await keyGroup(cloud, 'line-7', GROUP_KEY);
  const wire = await Wire.to(cloud);
  t.equal(await wire.connect(dpsConnect(cloud, 'dev-1')), 0);
  wire.send(subscribe(RESPONSES));
  await wire.next();
  for (const [packet, code, rule] of [
    [publish(registerTopic('1'), '{"registr'), 400004, 'request-body'],
    [publish(registerTopic('1'), '[]'), 400004, 'request-body'],
    [publish(registerTopic('1'), '{"registrationId":"dev-2"}'), 400004, 'request-id'],
    [publish(registerTopic('1'), JSON.stringify({ payload: 'x'.repeat(97 * 1024) })), 413000, 'request-size'],
    [publish(statusTopic('1', '5.0000.none')), 404202, 'operation-unknown'],
  ] as const) {
    wire.send(packet);
    t.match(await reply(wire), {
      status: Math.floor(code / 1000),
      rid: '1',
      body: { errorCode: code, trackingId: /^[0-9a-f-]{36}$/, message: String, timestampUtc: /\.\d{7}Z$/ },
    });
    t.match(await lastAttempt(cloud, 'dev-1'), { outcome: 'refused', wire: { errorCode: code }, reason: { rule } });
  }
  wire.send(publish(registerTopic('2')));
  const registered = await reply(wire);
  const operation = String(registered.body.operationId);

  const other = await Wire.to(cloud);
  await other.connect({ ...dpsConnect(cloud, 'dev-1'), password: Buffer.from('SharedAccessSignature sr=a&sig=b&se=1') });
  other.send(subscribe(RESPONSES), publish(statusTopic('3', operation)));
  await other.next();
  t.match(await reply(other), { status: 401 }, 'who does not prove itself learns nothing of an operation');

  const same = await Wire.to(cloud);
  await same.connect(dpsConnect(cloud, 'dev-1'));
  same.send(subscribe(RESPONSES), publish(statusTopic('4', operation)));
  await same.next();
  t.match(await reply(same), { status: 200, body: { status: 'assigned' } }, 'another connection of the device may poll');
  for (const each of [wire, other, same]) each.end();
});

t.test('replies go to subscribers only', async (t) => {
  const cloud = await cloudFor(t);
  await keyGroup(cloud, 'line-7', GROUP_KEY);
  const wire = await Wire.to(cloud);
  await wire.connect(dpsConnect(cloud, 'dev-1'));
  wire.send(publish(registerTopic('1'), '', { qos: 1, messageId: 9 }), { cmd: 'pingreq' });
  t.match(await wire.next(), { cmd: 'puback', messageId: 9 });
  t.match(await wire.next(), { cmd: 'pingresp' });
  t.match(await cloud.registrations(), [{ registrationId: 'dev-1', status: 'assigned' }]);
  wire.send(subscribe('#', RESPONSES), { cmd: 'unsubscribe', messageId: 2, unsubscriptions: [RESPONSES] }, publish(registerTopic('2')), {
    cmd: 'pingreq',
  });
  t.match(await wire.next(), { cmd: 'suback', granted: [128, 1] });
  t.match(await wire.next(), { cmd: 'unsuback', messageId: 2 });
  t.match(await wire.next(), { cmd: 'pingresp' });
  wire.end();
});

t.test('CONNECTs that are not let in', async (t) => {
  const cloud = await cloudFor(t);
  const hub = cloud.hubs[0]?.host ?? '';
  const code = async (packet: Omit<IConnectPacket, 'cmd'>): Promise<number | undefined> => {
    const wire = await Wire.to(cloud);
    const answer = await wire.connect(packet);
    await wire.closed;
    return answer;
  };
  const good = dpsConnect(cloud, 'dev-1');
  t.equal(await code({ ...good, protocolVersion: 5 }), 1);
  t.equal(await code({ ...good, protocolId: 'MQIsdp', protocolVersion: 3 }), 1);
  t.equal(await code({ ...good, clientId: 'dev-2' }), 2);
  t.equal(await code({ ...good, password: Buffer.from('secret') }), 4);
  t.equal(await code({ ...good, username: `${cloud.dps.idScope}/registrations/dev-1/` }), 4);
  t.equal(await code(dpsConnect(cloud, 'dev-1', { apiVersion: 'latest' })), 4);
  t.equal(await code({ ...good, username: 'nonsense' }), 4);
  t.equal(await code({ clientId: 'dev-1' }), 4);
  t.equal(await code({ clientId: 'dev-1', username: String(good.username) }), 5);
  t.equal(await code({ ...hubConnect(hub, 'dev-1'), clientId: 'dev-2' }), 2);
  const module = { ...hubConnect(hub, 'dev-1'), username: `${hub}/dev-1/mod/?api-version=2021-04-12` };
  t.equal(await code(module), 2);
  t.equal(await code({ ...module, clientId: 'dev-1/mod' }), 5);
  t.equal(await code(hubConnect(hub, 'dev-1')), 5);

  const level = await Wire.to(cloud);
  const bytes = generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, ...good });
  bytes.writeUInt8(9, bytes.indexOf('MQTT') + 4);
  level.socket.write(bytes);
  t.match(await level.next(), { cmd: 'connack', returnCode: 1 });
  await level.closed;
});

t.test('packets in pieces, and many in one piece', async (t) => {
  const cloud = await cloudFor(t);
  await keyGroup(cloud, 'line-7', GROUP_KEY);
  const all = Buffer.concat(
    [
      { cmd: 'connect' as const, protocolId: 'MQTT' as const, protocolVersion: 4 as const, ...dpsConnect(cloud, 'dev-1') },
      subscribe(RESPONSES),
      publish(registerTopic('1'), '', { qos: 1, messageId: 3 }),
      { cmd: 'pingreq' as const },
    ].map((packet) => generate(packet)),
  );
  const expected = ['connack', 'suback', 'puback', 'publish', 'pingresp'];
  const whole = await Wire.to(cloud);
  whole.socket.write(all);
  for (const cmd of expected) t.equal((await whole.next()).cmd, cmd);
  const pieces = await Wire.to(cloud);
  for (const byte of all) pieces.socket.write(Buffer.of(byte));
  for (const cmd of expected) t.equal((await pieces.next()).cmd, cmd);
  whole.end();
  pieces.end();
});

t.test('what breaks the protocol ends its own connection, and no other', async (t) => {
  const cloud = await cloudFor(t);
  const bystander = await onHub(cloud, 'bystander');
  (await onHub(cloud, 'breaker')).end();
  const hub = (await cloud.registrations()).find(({ registrationId }) => registrationId === 'breaker')?.assignedHub ?? '';
  const connect = { cmd: 'connect' as const, protocolId: 'MQTT' as const, protocolVersion: 4 as const, ...hubConnect(hub, 'breaker') };
  for (const [what, bytes] of [
    ['noise', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['nothing but an endless length', Buffer.of(0x10, 0xff, 0xff, 0xff, 0xff, 0xff)],
    ['a long CONNECT', Buffer.concat([Buffer.of(0x10, 0x80, 0x80, 0x04), Buffer.alloc(20_000)])],
    ['a packet before CONNECT', generate({ cmd: 'pingreq' })],
    ['a second CONNECT', Buffer.concat([generate(connect), generate(connect)])],
    ['a packet of servers', Buffer.concat([generate(connect), generate({ cmd: 'pingresp' })])],
    ['QoS 2', Buffer.concat([generate(connect), generate(publish('devices/breaker/messages/events/', 'x', { qos: 2, messageId: 1 }))])],
    ['telemetry of another', Buffer.concat([generate(connect), generate(publish('devices/other/messages/events/', 'x'))])],
    ['an unknown topic', Buffer.concat([generate(connect), generate(publish('news', 'x'))])],
    [
      'telemetry that is too long',
      Buffer.concat([generate(connect), generate(publish('devices/bystander/messages/events/', 'x'.repeat(256 * 1024 + 1)))]),
    ],
    [
      'a packet that is too long',
      Buffer.concat([generate(connect), generate(publish('devices/bystander/messages/events/', 'x'.repeat(400 * 1024)))]),
    ],
  ] as const) {
    const wire = await Wire.to(cloud);
    wire.socket.write(bytes);
    await wire.closed;
    t.pass(what);
  }
  const plain = connectTcp(cloud.dps.mqttPort, '127.0.0.1');
  plain.on('error', () => {});
  plain.write('not even TLS, whatever it is');
  await once(plain, 'close');
  bystander.send({ cmd: 'pingreq' });
  t.match(await bystander.next(), { cmd: 'pingresp' });
  bystander.end();
});

t.test('a topic that the hub does not take is named, and that file upload is not there', async (t) => {
  const cloud = await cloudFor(t);
  const wire = await onHub(cloud);
  const ended = once(cloud.events, 'disconnected');
  wire.send(publish('$iothub/files/POST/?$rid=1', '{"blobName":"log.txt"}'));
  await wire.closed;
  t.match(await ended, [{ deviceId: 'dev-1', cause: /"\$iothub\/files\/POST\/\?\$rid=1".*file upload is not supported by the local hub/ }]);
});

t.test('subscriptions at a hub', async (t) => {
  const cloud = await cloudFor(t);
  const wire = await onHub(cloud);
  const known = [
    '$iothub/twin/res/#',
    '$iothub/twin/PATCH/properties/desired/#',
    '$iothub/methods/POST/#',
    'devices/dev-1/messages/devicebound/#',
  ];
  wire.send(subscribe(...known, 'devices/other/messages/devicebound/#', '#'));
  t.match(await wire.next(), { cmd: 'suback', granted: [1, 1, 1, 1, 128, 128] });
  wire.send(publish('$iothub/twin/GET/?$rid=abc'));
  const twin = await wire.next();
  t.match(twin, { cmd: 'publish', topic: '$iothub/twin/res/200/?$rid=abc' });
  wire.send(publish('$iothub/twin/PATCH/properties/reported/?$rid=5', 'no json'));
  t.match(await wire.next(), { cmd: 'publish', topic: '$iothub/twin/res/400/?$rid=5' });
  wire.send(publish('$iothub/twin/PATCH/properties/reported/?$rid=6', '{"a":1}'));
  t.match(await wire.next(), { cmd: 'publish', topic: '$iothub/twin/res/204/?$rid=6&$version=2', payload: Buffer.alloc(0) });
  wire.end();
});

t.test('twin requests need an api-version, signing in does not', async (t) => {
  const cloud = await cloudFor(t);
  await keyGroup(cloud, 'line-7', GROUP_KEY);
  const { assignedHub } = await register(cloud, 'dev-1', { key: derived(GROUP_KEY, 'dev-1') });
  const wire = await Wire.to(cloud);
  t.equal(await wire.connect(hubConnect(assignedHub, 'dev-1', { username: `${assignedHub}/dev-1` })), 0);
  wire.send(subscribe('$iothub/twin/res/#'), publish('$iothub/twin/PATCH/properties/reported/?$rid=1', '{}'));
  await wire.next();
  t.match(await wire.next(), { topic: '$iothub/twin/res/400/?$rid=1' });
  wire.end();
});

t.test('a policy of the hub with DeviceConnect signs for any of its devices', async (t) => {
  const cloud = await cloudFor(t);
  await keyGroup(cloud, 'line-7', GROUP_KEY);
  const { assignedHub: hub } = await register(cloud, 'dev-1', { key: derived(GROUP_KEY, 'dev-1') });
  const ownerKey = /SharedAccessKey=(.*)$/.exec(cloud.hubs.find(({ host }) => host === hub)?.connectionString ?? '')?.[1] ?? '';
  const code = async (keyName: string, secret: string): Promise<number | undefined> => {
    const wire = await Wire.to(cloud);
    const password = buildSas({ resource: hub, key: Buffer.from(secret, 'base64'), expiry: Date.now() / 1000 + 60, keyName });
    const answer = await wire.connect(hubConnect(hub, 'dev-1', { password: Buffer.from(password) }));
    wire.end();
    return answer;
  };
  t.equal(await code('iothubowner', ownerKey), 0);
  t.equal(await code('iothubowner', key('another')), 5);
  t.equal(await code('registryRead', ownerKey), 5);
  t.match(await lastAttempt(cloud, 'dev-1'), { reason: { rule: 'hub-policy' } });
});

t.test('deadlines, by the clock of the cloud', async (t) => {
  const clock = new ManualClock(Date.now());
  const cloud = await cloudFor(t, { clock, connectTimeoutSeconds: 20 });
  // In TLS 1.2 the server is the last to finish; with others signed in since, the cloud's deadline runs.
  const late = await Wire.to(cloud, { maxVersion: 'TLSv1.2' });
  const kept = await onHub(cloud, 'kept', { keepalive: 0 });
  const alive = await onHub(cloud, 'alive', { keepalive: 10 });
  const silent = await onHub(cloud, 'silent', { keepalive: 10 });

  clock.advance(10_000);
  alive.send({ cmd: 'pingreq' });
  await alive.next();
  const gone = once(cloud.events, 'disconnected');
  clock.advance(6_000);
  t.match(await gone, [{ deviceId: 'silent', cause: /1\.5 times the keep-alive/ }]);
  await silent.closed;
  clock.advance(5_000);
  await late.closed;
  for (const wire of [alive, kept]) {
    wire.send({ cmd: 'pingreq' });
    t.match(await wire.next(), { cmd: 'pingresp' });
    wire.end();
  }
});
