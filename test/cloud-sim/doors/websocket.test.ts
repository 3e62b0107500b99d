import { on, once } from 'node:events';
import { request } from 'node:https';
import { buildDpsUserName } from '@zerotouch/azure-wire/dps-mqtt';
import { buildHubUserName } from '@zerotouch/azure-wire/hub-mqtt';
import { buildSas } from '@zerotouch/azure-wire/sas';
import type { Cloud } from '@zerotouch/cloud-sim/cloud';
import { generate, type Packet, parser } from 'mqtt-packet';
import t from 'tap';
import { WebSocket } from 'ws';
import { issue, makeAuthority, prove } from '../certificates.js';
import { cloudFor, derived, key, keyGroup, lastAttempt } from '../clouds.js';
import { twinOf } from '../official-clients.js';
import { registerOver, signInOverWebSocket } from './clients.js';

const line = await makeAuthority('Line 7');

t.test('the official clients register and use their hub over MQTT over WebSocket', async (t) => {
  const cloud = await cloudFor(t);
  const groupKey = key('group');
  await keyGroup(cloud, 'keys', groupKey, { initialTwin: { properties: { desired: { interval: 7 } } } });
  await cloud.enrolments.putCertificate(await prove('line-7', line));
  await cloud.enrolments.putGroup({
    enrollmentGroupId: 'line-7',
    attestation: { type: 'x509', x509: { caReferences: { primary: 'line-7' } } },
    initialTwin: { properties: { desired: { interval: 7 } } },
  });
  for (const [id, proof] of [
    ['dev-key', { key: derived(groupKey, 'dev-key') }],
    ['dev-cert', { leaf: await issue(line, 'dev-cert') }],
  ] as const) {
    const { assignedHub, deviceId } = await registerOver(cloud, 'mqtt-ws', id, proof);
    t.equal(deviceId, id);
    t.match(await lastAttempt(cloud, id), { transport: 'mqtt-ws', service: 'dps', outcome: 'assigned' });
    const client = await signInOverWebSocket(cloud, assignedHub, id, proof);
    t.match(await lastAttempt(cloud, id), { transport: 'mqtt-ws', service: 'hub', outcome: 'signed-in' });
    const twin = await twinOf(client);
    t.equal((twin.properties.desired as { interval: number }).interval, 7);
    await client.close();
  }
});

t.test('a wrong key over WebSocket is refused as over TLS', async (t) => {
  const cloud = await cloudFor(t);
  await keyGroup(cloud, 'keys', key('group'));
  await t.rejects(registerOver(cloud, 'mqtt-ws', 'dev-1', { key: key('other') }), { name: 'UnauthorizedError' });
  t.match(await lastAttempt(cloud, 'dev-1'), { transport: 'mqtt-ws', reason: { rule: 'sas-signature' } });
});

t.test('packets may be spread over messages, and messages over frames', async (t) => {
  const cloud = await cloudFor(t);
  const socket = await open(cloud);
  const connect = generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId: 'dev-1', ...signature(cloud) } as Packet);
  const ping = generate({ cmd: 'pingreq' });
  // Listened to from now on: several messages may come at once.
  const answers = packets(on(socket, 'message') as AsyncIterable<[Buffer]>);
  socket.send(connect.subarray(0, 5), { fin: true });
  socket.send(connect.subarray(5, 20), { fin: false });
  socket.send(Buffer.concat([connect.subarray(20), ping, ping]), { fin: true });
  const kinds: string[] = [];
  for await (const packet of answers) {
    kinds.push(packet.cmd);
    if (kinds.length === 3) break;
  }
  t.strictSame(kinds, ['connack', 'pingresp', 'pingresp']);
  socket.terminate();
});

t.test('what is no WebSocket of ours is refused', async (t) => {
  const cloud = await cloudFor(t);
  t.equal(await upgradeStatus(cloud, '/$iothub/websocket', 'amqp'), 400, 'a protocol that is not spoken');
  t.equal(await upgradeStatus(cloud, '/elsewhere', 'mqtt'), 404, 'another path');
  t.equal(await upgradeStatus(cloud, '/$iothub/websocket', 'mqtt', { 'sec-websocket-key': 'short' }), 400, 'a malformed request');
  t.equal(await upgradeStatus(cloud, '/$IoTHub/WebSocket?iothub-no-client-cert=true', 'MQTT'), 101, 'case and query do not matter');
});

t.test('a text message ends the connection', async (t) => {
  const cloud = await cloudFor(t);
  const socket = await open(cloud);
  socket.send('CONNECT');
  const [code] = await once(socket, 'close');
  t.equal(code, 1003);
});

t.test('a message that is too long ends the connection', async (t) => {
  const cloud = await cloudFor(t);
  const socket = await open(cloud);
  socket.send(Buffer.alloc(1024 * 1024));
  const [code] = await once(socket, 'close');
  t.equal(code, 1009);
});

t.test('a hub hears of a WebSocket that is lost', async (t) => {
  const cloud = await cloudFor(t);
  const groupKey = key('group');
  await keyGroup(cloud, 'keys', groupKey);
  const proof = { key: derived(groupKey, 'dev-1') };
  const { assignedHub } = await registerOver(cloud, 'mqtt-ws', 'dev-1', proof);
  const socket = await open(cloud);
  const sas = { resource: `${assignedHub}/devices/dev-1`, key: Buffer.from(proof.key, 'base64'), expiry: Date.now() / 1000 + 60 };
  const password = Buffer.from(buildSas(sas));
  const username = buildHubUserName(assignedHub, 'dev-1');
  socket.send(generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId: 'dev-1', username, password } as Packet));
  await once(socket, 'message');
  const gone = once(cloud.events, 'disconnected');
  socket.terminate();
  t.match(await gone, [{ deviceId: 'dev-1' }]);
});

t.test('a cloud closes with open WebSockets', async (t) => {
  const cloud = await cloudFor(t);
  const socket = await open(cloud);
  const closed = once(socket, 'close');
  await cloud.close();
  await closed;
  t.equal(socket.readyState, WebSocket.CLOSED);
});

function signature(cloud: Cloud) {
  const username = buildDpsUserName({ idScope: cloud.dps.idScope, registrationId: 'dev-1', apiVersion: '2021-06-01' });
  return { username, password: Buffer.from('SharedAccessSignature sr=a&sig=b&se=1') };
}

async function open(cloud: Cloud): Promise<WebSocket> {
  const socket = new WebSocket(`wss://localhost:${cloud.dps.httpsPort}/$iothub/websocket`, ['mqtt'], { ca: cloud.ca });
  socket.on('error', () => {});
  await once(socket, 'open');
  return socket;
}

async function* packets(messages: AsyncIterable<[Buffer]>): AsyncGenerator<Packet> {
  const read: Packet[] = [];
  const reader = parser({ protocolVersion: 4 });
  reader.on('packet', (packet) => read.push({ ...packet }));
  for await (const [data] of messages) {
    reader.parse(data);
    yield* read.splice(0);
  }
}

function upgradeStatus(cloud: Cloud, path: string, protocol: string, more: object = {}): Promise<number | undefined> {
  const headers = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': Buffer.alloc(16).toString('base64'),
    'sec-websocket-protocol': protocol,
    ...more,
  };
  return new Promise((resolve, reject) => {
    const { ca } = cloud;
    const asked = request({ host: 'localhost', port: cloud.dps.httpsPort, path, ca, headers, agent: false });
    asked.on('error', reject);
    asked.on('response', (response) => resolve(response.resume().statusCode));
    asked.on('upgrade', (response, socket) => {
      socket.destroy();
      resolve(response.statusCode);
    });
    asked.end();
  });
}
