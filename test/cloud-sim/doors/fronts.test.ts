import { once } from 'node:events';
import { buildHubUserName } from '@zerotouch/azure-wire/hub-mqtt';
import { buildSas } from '@zerotouch/azure-wire/sas';
import { Lane } from '@zerotouch/cloud-sim/doors/fronts/lane';
import { Mux } from '@zerotouch/cloud-sim/doors/fronts/mux';
import device, { type Message } from 'azure-iot-device';
import fc from 'fast-check';
import t from 'tap';
import { duplexPair } from '../../support/duplex-pair.js';
import { issue, makeAuthority, prove } from '../certificates.js';
import { cloudFor, derived, key, keyGroup, lastAttempt } from '../clouds.js';
import { deviceOver } from '../hub/device-clients.js';
import { Wire } from '../wire.js';
import { registerOver, signInOverWebSocket, TRANSPORTS } from './clients.js';

const GROUP_KEY = key('group');
const line = await makeAuthority('Line 7');

t.test('the official clients register over all five transports through two fronts, and nobody without proof', async (t) => {
  const cloud = await cloudFor(t, { workers: 2 });
  t.equal(cloud.fronts.length, 2);
  await keyGroup(cloud, 'keys', GROUP_KEY);
  await cloud.enrolments.putCertificate(await prove('line-7', line));
  await cloud.enrolments.putGroup({
    enrollmentGroupId: 'line-7',
    attestation: { type: 'x509', x509: { caReferences: { primary: 'line-7' } } },
  });
  for (const transport of TRANSPORTS) {
    const [keyId, leafId] = [`key-${transport}`, `leaf-${transport}`];
    const leaf = await issue(line, leafId);
    t.equal((await registerOver(cloud, transport, keyId, { key: derived(GROUP_KEY, keyId) })).deviceId, keyId);
    const { assignedHub } = await registerOver(cloud, transport, leafId, { leaf });
    t.match(await lastAttempt(cloud, leafId), { transport, outcome: 'assigned' });
    await (await signInOverWebSocket(cloud, assignedHub, leafId, { leaf })).close();
    const stranger = await issue(await makeAuthority('Line 8'), leafId);
    await t.rejects(registerOver(cloud, transport, leafId, { leaf: stranger }));
  }
});

t.test('devices live at their hubs through fronts: telemetry, messages, twin, methods, over all transports', async (t) => {
  const cloud = await cloudFor(t, { workers: 2 });
  const host = cloud.hubs[0]?.host ?? '';
  const hub = cloud.hub(host);
  for (const transport of TRANSPORTS) {
    const { authentication } = await hub.createDevice({ deviceId: transport });
    await hub.sendMessage(transport, { body: 'hello', messageId: `to ${transport}` });
    const client = await deviceOver(t, cloud, transport, host, transport, 'primaryKey' in authentication ? authentication.primaryKey : '');
    const events = hub.events({ deviceId: transport });
    await client.sendEvent(new device.Message(transport));
    t.match((await events.next()).value, { deviceId: transport, body: Buffer.from(transport) });
    await events.return?.();
    t.match(await lastAttempt(cloud, transport), { transport, outcome: 'signed-in' });
    const message = await new Promise<Message>((resolve) => client.on('message', resolve));
    t.equal(message.messageId, `to ${transport}`);
    if (!transport.startsWith('mqtt')) await client.complete(message);
    // Azure offers devices neither twin nor methods over HTTPS.
    if (transport === 'http') continue;
    await hub.updateDesired(transport, { interval: 5 });
    const twin = await client.getTwin();
    t.match(twin.properties.desired, { interval: 5 });
    await new Promise<void>((resolve, reject) => {
      twin.properties.reported.update({ interval: 5 }, (error: Error) => (error ? reject(error) : resolve()));
    });
    t.match((await hub.twin(transport)).properties.reported, { interval: 5 });
    const sent = new Promise<void>((resolve, reject) => {
      client.onDeviceMethod('reboot', ({ payload }, response) => void response.send(207, { heard: payload }).then(() => resolve(), reject));
    });
    const answer = await hub.invokeMethod(transport, { name: 'reboot', payload: transport, connectTimeoutMs: 60_000 });
    t.strictSame(answer, { status: 207, payload: { heard: transport } });
    await sent;
  }
});

t.test('a TLS session that is resumed at a front without certificate authorises nobody', async (t) => {
  const cloud = await cloudFor(t, { workers: 1 });
  const tls = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' } as const;
  const leaf = await issue(line, 'dev-1');
  await cloud.enrolments.putCertificate(await prove('line-7', line));
  await cloud.enrolments.putGroup({
    enrollmentGroupId: 'line-7',
    attestation: { type: 'x509', x509: { caReferences: { primary: 'line-7' } } },
  });
  const { assignedHub } = await registerOver(cloud, 'mqtt', 'dev-1', { leaf });
  const username = buildHubUserName(assignedHub, 'dev-1');
  const first = await Wire.to(cloud, { ...tls, ...leaf });
  t.equal(await first.connect({ clientId: 'dev-1', username }), 0);
  const session = first.socket.getSession();
  if (session === undefined) throw new Error('no TLS session to resume');
  const resumed = await Wire.to(cloud, { ...tls, session });
  t.equal(await resumed.connect({ clientId: 'dev-1', username }), 5);
  t.match(await lastAttempt(cloud, 'dev-1'), { reason: { rule: 'credential-missing' } });
  first.end();
});

t.test('a front that is killed takes its own connections along, and is replaced', async (t) => {
  const cloud = await cloudFor(t, { workers: 2 });
  await keyGroup(cloud, 'keys', GROUP_KEY);
  const before = cloud.fronts.map(({ pid }) => pid);
  const wires: Wire[] = [];
  const open = (): number => cloud.fronts.reduce((sum, { connections }) => sum + connections, 0);
  for (const id of ['dev-1', 'dev-2', 'dev-3', 'dev-4']) {
    const proof = { key: derived(GROUP_KEY, id) };
    const { assignedHub } = await registerOver(cloud, 'mqtt', id, proof);
    // The front that it registered through tells a little later that this connection is over.
    while (open() > wires.length) await new Promise(setImmediate);
    const wire = await Wire.to(cloud);
    const sas = { resource: `${assignedHub}/devices/${id}`, key: Buffer.from(proof.key, 'base64'), expiry: Date.now() / 1000 + 600 };
    const password = Buffer.from(buildSas(sas));
    t.equal(await wire.connect({ clientId: id, username: buildHubUserName(assignedHub, id), password }), 0);
    wires.push(wire);
  }
  t.strictSame(cloud.fronts.map(({ connections }) => connections).sort(), [2, 2], 'the connections are spread');
  const [victim = 0, survivor = 0] = before;
  const gone: unknown[] = [];
  const both = new Promise<void>((resolve) => {
    cloud.events.on('disconnected', (event) => {
      gone.push(event);
      if (gone.length === 2) resolve();
    });
  });
  process.kill(victim, 'SIGKILL');
  await both;
  t.match(gone, [{ cause: /the TLS front of the connection ended/ }, { cause: /the TLS front of the connection ended/ }]);
  const after = cloud.fronts.map(({ pid }) => pid);
  t.equal(after.length, 2);
  t.ok(after.includes(survivor) && !after.includes(victim));
  t.match(
    cloud.fronts.find(({ pid }) => pid === survivor),
    { connections: 2 },
    'the others are not disturbed',
  );
  for (const id of ['dev-5', 'dev-6', 'dev-7']) {
    t.equal((await registerOver(cloud, 'amqp', id, { key: derived(GROUP_KEY, id) })).deviceId, id);
  }
  for (const wire of wires) wire.end();
});

t.test('a cloud leaves no front behind', async (t) => {
  const cloud = await cloudFor(t, { workers: 2 });
  const pids = cloud.fronts.map(({ pid }) => pid);
  const wire = await Wire.to(cloud);
  await cloud.close();
  await wire.closed;
  for (const pid of pids) t.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
  t.strictSame(cloud.fronts, []);
});

/** Both ends of many streams over one way. */
function joined() {
  const [here, there] = duplexPair();
  const opened: Lane[] = [];
  const front = new Mux({ way: here });
  const cloud = new Mux({
    way: there,
    onOpen: (mux, id) => {
      const lane = new Lane(mux, id);
      opened.push(lane);
      return lane;
    },
  });
  const come = async (count: number): Promise<void> => {
    while (opened.length < count) await new Promise(setImmediate);
  };
  return { front, cloud, opened, come };
}

t.test('what is written to lanes comes out of them, each in its order, each to its end', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(fc.nat(200_000), { maxLength: 5 }), { minLength: 1, maxLength: 5 }), async (sizes) => {
      const { front, cloud, opened, come } = joined();
      const lanes = sizes.map(() => front.open(Buffer.from('x')));
      await come(sizes.length);
      const heard = opened.map(async (lane) => {
        const chunks: Buffer[] = [];
        lane.on('data', (chunk: Buffer) => chunks.push(chunk));
        await once(lane, 'end');
        return Buffer.concat(chunks);
      });
      lanes.forEach((lane, index) => {
        lane.resume();
        for (const [turn, size] of (sizes[index] ?? []).entries()) lane.write(Buffer.alloc(size, index * 16 + turn));
        lane.end();
      });
      const texts = await Promise.all(heard);
      const closed = [...lanes, ...opened].filter((lane) => !lane.closed);
      await Promise.all(closed.map((lane) => once(lane, 'close')));
      const expected = sizes.map((turns, index) => Buffer.concat(turns.map((size, turn) => Buffer.alloc(size, index * 16 + turn))));
      return texts.every((text, index) => text.equals(expected[index] ?? text)) && front.size === 0 && cloud.size === 0;
    }),
    { numRuns: 40, seed: 7 },
  );
  t.pass();
});

t.test('at most a window waits for a side that does not read, and the others go on', async (t) => {
  const { front, opened, come } = joined();
  const [slow, quick] = [front.open(Buffer.from('slow')), front.open(Buffer.from('quick'))];
  await come(2);
  const [slowThere, quickThere] = opened;
  if (slowThere === undefined || quickThere === undefined) throw new Error('no lanes');
  slow.write(Buffer.alloc(10 * 1024 * 1024));
  quick.write('hello');
  const [text] = await once(quickThere, 'data');
  t.equal(String(text), 'hello');
  t.ok(slowThere.readableLength <= 64 * 1024, `${slowThere.readableLength} bytes wait`);
  t.ok(slow.writableLength > 0, 'the rest waits where it came from');
  let read = 0;
  slowThere.on('data', (chunk: Buffer) => {
    read += chunk.length;
  });
  slow.end();
  await once(slowThere, 'end');
  t.equal(read, 10 * 1024 * 1024);
});
