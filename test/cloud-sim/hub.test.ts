import { once } from 'node:events';
import type { Cloud } from '@zerotouch/cloud-sim/cloud';
import common from 'azure-iot-common';
import t from 'tap';
import { issue, makeAuthority, prove } from './certificates.js';
import { cloudFor, derived, key, keyGroup, lastAttempt } from './clouds.js';
import { ManualClock } from './manual-clock.js';
import { register, signIn } from './official-clients.js';

const GROUP_KEY = key('line 7');

async function provisioned(cloud: Cloud, id: string, desired: object = {}): Promise<{ hub: string; key: string }> {
  await keyGroup(cloud, 'line-7', GROUP_KEY, { initialTwin: { properties: { desired } } });
  const deviceKey = derived(GROUP_KEY, id);
  return { hub: (await register(cloud, id, { key: deviceKey })).assignedHub, key: deviceKey };
}

t.test('a device signs in by key, reads its twin, reports, and hears of changes', async (t) => {
  const cloud = await cloudFor(t);
  const { hub, key } = await provisioned(cloud, 'dev-1', { interval: 5 });
  const connected = once(cloud.events, 'connected');
  const client = await signIn(cloud, hub, 'dev-1', { key });
  t.teardown(() => client.close());
  t.strictSame(await connected, [{ hub, deviceId: 'dev-1', authentication: 'sas' }]);
  t.match(await cloud.hub(hub).devices(), [{ connectionState: 'Connected' }]);
  t.match(await lastAttempt(cloud, 'dev-1'), { service: 'hub', host: hub, outcome: 'signed-in', wire: { connack: 0 } });

  const twin = await client.getTwin();
  t.strictSame(twin.properties.desired, { interval: 5, $version: 1 });

  const reported = once(cloud.events, 'reported');
  const update = (patch: object) =>
    new Promise<void>((resolve, reject) => twin.properties.reported.update(patch, (error: Error) => (error ? reject(error) : resolve())));
  await update({ firmware: '1.0', old: true });
  t.strictSame(await reported, [{ hub, deviceId: 'dev-1', patch: { firmware: '1.0', old: true }, version: 2 }]);
  await update({ old: null, net: { up: true } });
  t.strictSame((await cloud.hub(hub).twin('dev-1')).properties.reported, { firmware: '1.0', net: { up: true }, $version: 3 });

  // The SDK tells the section as it is at once, then each change.
  const heard: unknown[] = [];
  const changed = new Promise<void>((resolve) => {
    twin.on('properties.desired', (desired: { $version: number }) => {
      heard.push(desired);
      if (desired.$version === 2) resolve();
    });
  });
  // The listener's subscription goes out unseen; an answer to what was asked after it shows that it stands.
  await client.getTwin();
  const version = await cloud.hub(hub).updateDesired('dev-1', { interval: null, mode: 'eco' });
  t.equal(version, 2);
  await changed;
  t.strictSame(heard.at(-1), { interval: null, mode: 'eco', $version: 2 });
  t.strictSame((await cloud.hub(hub).twin('dev-1')).properties.desired, { mode: 'eco', $version: 2 });
});

t.test('limits of the twin', async (t) => {
  const cloud = await cloudFor(t);
  const { hub, key } = await provisioned(cloud, 'dev-1');
  const client = await signIn(cloud, hub, 'dev-1', { key });
  t.teardown(() => client.close());
  const twin = await client.getTwin();
  const update = (patch: object) =>
    new Promise<void>((resolve, reject) => twin.properties.reported.update(patch, (error: Error) => (error ? reject(error) : resolve())));
  await t.rejects(update({ 'a.b': 1 }), { message: /holds the key "a\.b"/ });
  await t.rejects(update({ text: 'x'.repeat(4097) }), { message: /4097 bytes/ });
  const nearlyFull = Object.fromEntries(Array.from({ length: 8 }, (_, index) => [`k${index}`, 'x'.repeat(4000)]));
  await update(nearlyFull);
  await t.rejects(update({ more: 'x'.repeat(1000) }), { message: /at most 32768/ });
  t.strictSame(
    (await cloud.hub(hub).twin('dev-1')).properties.reported,
    { ...nearlyFull, $version: 2 },
    'nothing of a refused patch is applied',
  );

  const service = cloud.hub(hub);
  await t.rejects(service.updateDesired('dev-1', { $secret: 1 }), { code: 'TWIN_LIMIT' });
  await t.rejects(service.updateDesired('nobody', {}), { code: 'UNKNOWN_DEVICE' });
  await t.rejects(service.twin('nobody'), { code: 'UNKNOWN_DEVICE' });
  t.throws(() => cloud.hub('gone.azure-devices.net'), { code: 'UNKNOWN_HUB' });
});

t.test('telemetry is taken, acknowledged and told', async (t) => {
  const cloud = await cloudFor(t);
  const { hub, key } = await provisioned(cloud, 'dev-1');
  const client = await signIn(cloud, hub, 'dev-1', { key });
  t.teardown(() => client.close());
  const told = once(cloud.events, 'telemetry');
  const message = new common.Message(JSON.stringify({ celsius: 21 }));
  message.properties.add('room', 'a b+c');
  message.contentType = 'application/json';
  await client.sendEvent(message);
  const [event] = (await told) as [{ body: Buffer; properties: Record<string, string> }];
  t.match(event, { hub, deviceId: 'dev-1' });
  t.equal(event.body.toString(), '{"celsius":21}');
  t.equal(event.properties.room, 'a b+c');
  t.equal(event.properties['$.ct'], 'application/json');
});

t.test('a device signs in by the certificate it registered with, and by no other', async (t) => {
  const cloud = await cloudFor(t);
  const line = await makeAuthority('Line 7');
  await cloud.enrolments.putCertificate(await prove('line-7', line));
  await cloud.enrolments.putGroup({
    enrollmentGroupId: 'line-7',
    attestation: { type: 'x509', x509: { caReferences: { primary: 'line-7' } } },
  });
  const [leaf, renewed] = await Promise.all([issue(line, 'dev-1'), issue(line, 'dev-1')]);
  const { assignedHub } = await register(cloud, 'dev-1', { leaf });

  const connected = once(cloud.events, 'connected');
  const client = await signIn(cloud, assignedHub, 'dev-1', { leaf });
  t.match(await connected, [{ authentication: 'selfSigned' }]);
  t.match((await client.getTwin()).properties.desired, { $version: 1 });
  const disconnected = once(cloud.events, 'disconnected');
  await client.close();
  t.strictSame(await disconnected, [{ hub: assignedHub, deviceId: 'dev-1', cause: 'the device disconnected' }]);

  await t.rejects(signIn(cloud, assignedHub, 'dev-1', { leaf: renewed }), { name: 'UnauthorizedError' });
  t.match(await lastAttempt(cloud, 'dev-1'), { wire: { connack: 5 }, reason: { rule: 'x509-other-certificate' } });
  await t.rejects(signIn(cloud, assignedHub, 'dev-1', { key: key('any') }), { name: 'UnauthorizedError' });
  t.match(await lastAttempt(cloud, 'dev-1'), { wire: { connack: 5 }, reason: { rule: 'attestation-kind' } });

  await register(cloud, 'dev-1', { leaf: renewed });
  const again = await signIn(cloud, assignedHub, 'dev-1', { leaf: renewed });
  await again.close();
});

t.test('a certificate is good within its validity only, at the hub too', async (t) => {
  const clock = new ManualClock(Date.now());
  const cloud = await cloudFor(t, { clock });
  const line = await makeAuthority('Line 7');
  await cloud.enrolments.putCertificate(await prove('line-7', line));
  await cloud.enrolments.putGroup({
    enrollmentGroupId: 'line-7',
    attestation: { type: 'x509', x509: { caReferences: { primary: 'line-7' } } },
  });
  const leaf = await issue(line, 'dev-1');
  const { assignedHub } = await register(cloud, 'dev-1', { leaf });
  clock.advance(2 * 365 * 86_400_000);
  await t.rejects(signIn(cloud, assignedHub, 'dev-1', { leaf }), { name: 'UnauthorizedError' });
  t.match(await lastAttempt(cloud, 'dev-1'), { service: 'hub', wire: { connack: 5 }, reason: { rule: 'x509-expired' } });
});

t.test('strangers and wrong keys are not let in', async (t) => {
  const cloud = await cloudFor(t);
  const { hub, key: deviceKey } = await provisioned(cloud, 'dev-1');
  const other = cloud.hubs.find(({ host }) => host !== hub)?.host ?? '';

  await t.rejects(signIn(cloud, hub, 'stranger', { key: deviceKey }), { name: 'UnauthorizedError' });
  t.match(await lastAttempt(cloud, 'stranger'), { outcome: 'refused', wire: { connack: 5 }, reason: { rule: 'hub-stranger' } });
  await t.rejects(signIn(cloud, other, 'dev-1', { key: deviceKey }), { name: 'UnauthorizedError' });
  t.match(await lastAttempt(cloud, 'dev-1'), { host: other, wire: { connack: 5 }, reason: { rule: 'hub-moved' } });
  await t.rejects(signIn(cloud, hub, 'DEV-1', { key: deviceKey }), { name: 'UnauthorizedError' });
  await t.rejects(signIn(cloud, hub, 'dev-1', { key: GROUP_KEY }), { name: 'UnauthorizedError' });
  t.match(await lastAttempt(cloud, 'dev-1'), { wire: { connack: 5 }, reason: { rule: 'sas-signature' } });
  await t.rejects(signIn(cloud, 'gone.azure-devices.net', 'dev-1', { key: deviceKey }), { name: 'UnauthorizedError' });
  t.match(await lastAttempt(cloud, 'dev-1'), { wire: { connack: 5 }, reason: { rule: 'hub-unknown' } });
});

t.test('the hub ends a connection when its token expires', async (t) => {
  const clock = new ManualClock(Date.now());
  const cloud = await cloudFor(t, { clock });
  const { hub, key } = await provisioned(cloud, 'dev-1');
  const client = await signIn(cloud, hub, 'dev-1', { key }, 3600);
  t.teardown(() => client.close());
  const lost = once(client, 'disconnect');
  await client.getTwin();
  const disconnected = once(cloud.events, 'disconnected');
  clock.advance(3_601_000);
  t.match(await disconnected, [{ deviceId: 'dev-1', cause: /token.*expired/ }]);
  await lost;
});

t.test('an operator drops a connection', async (t) => {
  const cloud = await cloudFor(t);
  const { hub, key } = await provisioned(cloud, 'dev-1');
  const client = await signIn(cloud, hub, 'dev-1', { key });
  t.teardown(() => client.close());
  const lost = once(client, 'disconnect');
  await client.getTwin();
  t.equal(await cloud.hub(hub).disconnect('dev-1'), 1);
  await lost;
  t.equal(await cloud.hub(hub).disconnect('dev-1'), 0);
});
