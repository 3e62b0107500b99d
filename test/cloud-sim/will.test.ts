import { once } from 'node:events';
import { buildHubUserName } from '@zerotouch/azure-wire/hub-mqtt';
import { buildSas } from '@zerotouch/azure-wire/sas';
import type { Cloud } from '@zerotouch/cloud-sim/cloud';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import t from 'tap';
import { cloudFor, derived, key, keyGroup, lastAttempt } from './clouds.js';
import { register } from './official-clients.js';
import { Wire, wireSignIn } from './wire.js';

const GROUP_KEY = key('line 7');
const TOPIC = 'devices/dev-1/messages/events/';

type Will = NonNullable<IClientOptions['will']>;

async function scene(t: Parameters<typeof cloudFor>[0]): Promise<{ cloud: Cloud; hub: string }> {
  const cloud = await cloudFor(t);
  await keyGroup(cloud, 'line-7', GROUP_KEY);
  const { assignedHub } = await register(cloud, 'dev-1', { key: derived(GROUP_KEY, 'dev-1') });
  return { cloud, hub: assignedHub };
}

function atHub(cloud: Cloud, hub: string, will: Will): Promise<MqttClient> {
  const sas = { resource: `${hub}/devices/dev-1`, key: Buffer.from(derived(GROUP_KEY, 'dev-1'), 'base64'), expiry: Date.now() / 1000 + 60 };
  return mqtt.connectAsync(
    `mqtts://localhost:${cloud.dps.mqttPort}`,
    {
      ca: cloud.ca,
      clientId: 'dev-1',
      username: buildHubUserName(hub, 'dev-1'),
      password: buildSas(sas),
      protocolVersion: 4,
      reconnectPeriod: 0,
      will,
    },
    false,
  );
}

t.test('a will is delivered as telemetry when the link drops', async (t) => {
  const { cloud, hub } = await scene(t);
  const payload = Buffer.from([0, 1, 0xff]);
  const client = await atHub(cloud, hub, { topic: `${TOPIC}site=north&$.mid=m-1`, payload, qos: 1, retain: false });
  const told: string[] = [];
  cloud.events.on('telemetry', () => told.push('telemetry'));
  cloud.events.on('disconnected', () => told.push('disconnected'));
  const heard = once(cloud.events, 'telemetry');
  const gone = once(cloud.events, 'disconnected');
  client.stream.destroy();
  const [event] = await heard;
  t.match(event, { hub, deviceId: 'dev-1', properties: { site: 'north', '$.mid': 'm-1', 'iothub-MessageType': 'Will' } });
  t.strictSame(event.body, payload);
  await gone;
  t.strictSame(told, ['telemetry', 'disconnected'], 'once, before the device counts as gone');
});

t.test('a device that takes its leave has no will', async (t) => {
  const { cloud, hub } = await scene(t);
  const client = await atHub(cloud, hub, { topic: TOPIC, payload: Buffer.from('lost'), qos: 0, retain: true });
  const heard: unknown[] = [];
  cloud.events.on('telemetry', (event) => heard.push(event));
  const gone = once(cloud.events, 'disconnected');
  await client.publishAsync(TOPIC, 'own', { qos: 1 });
  await client.endAsync();
  await gone;
  t.match(heard, [{ body: Buffer.from('own') }]);
  t.equal(heard.length, 1);
  t.notHas((heard[0] as { properties: object }).properties, 'iothub-MessageType');
});

t.test('a session that the hub ends leaves its will', async (t) => {
  const { cloud, hub } = await scene(t);
  const client = await atHub(cloud, hub, { topic: TOPIC, payload: Buffer.from('lost'), qos: 0, retain: true });
  client.on('error', () => {});
  const heard = once(cloud.events, 'telemetry');
  await client.publishAsync('devices/dev-2/messages/events/', 'not mine', { qos: 0 });
  const [event] = await heard;
  t.match(event, { deviceId: 'dev-1', properties: { 'iothub-MessageType': 'Will', 'mqtt-retain': 'true' } });
});

for (const [what, will] of [
  ['of another device', { topic: 'devices/dev-2/messages/events/', payload: Buffer.from('x'), qos: 0, retain: false }],
  [
    'on a topic of the twin',
    { topic: '$iothub/twin/PATCH/properties/reported/?$rid=1', payload: Buffer.from('{}'), qos: 0, retain: false },
  ],
  ['on a topic that the hub does not have', { topic: 'status/dev-1', payload: Buffer.from('x'), qos: 0, retain: false }],
  ['of QoS 2', { topic: TOPIC, payload: Buffer.from('x'), qos: 2, retain: false }],
] as const) {
  t.test(`a will ${what} is refused`, async (t) => {
    const { cloud, hub } = await scene(t);
    await t.rejects(atHub(cloud, hub, { ...will }), { code: 5 });
    t.match(await lastAttempt(cloud, 'dev-1'), {
      service: 'hub',
      host: hub,
      outcome: 'refused',
      wire: { connack: 5 },
      reason: { rule: 'will-unsupported', seen: String, expected: String, nearest: String, remedy: String },
    });
  });
}

t.test('DPS takes no will', async (t) => {
  const { cloud } = await scene(t);
  const wire = await Wire.to(cloud);
  const will = { topic: TOPIC, payload: Buffer.from('x'), qos: 0 as const, retain: false };
  const username = `${cloud.dps.idScope}/registrations/dev-1/api-version=2021-06-01`;
  t.equal(await wire.connect({ clientId: 'dev-1', username, password: Buffer.from(''), keepalive: 0, clean: true, will }), 5);
  await wire.closed;
  t.match(await lastAttempt(cloud, 'dev-1'), { service: 'dps', reason: { rule: 'will-unsupported' } });
  const without = await Wire.to(cloud);
  await wireSignIn(without, cloud, 'dev-1', GROUP_KEY);
  without.end();
});
