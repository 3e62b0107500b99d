import { once } from 'node:events';
import device from 'azure-iot-device';
import mqtt from 'azure-iot-device-mqtt';
import t from 'tap';
import { issue, makeAuthority, prove, withChain } from '../certificates.js';
import { cloudFor, derived, key, keyGroup, lastAttempt } from '../clouds.js';
import { ManualClock } from '../manual-clock.js';
import { register, signIn } from '../official-clients.js';

t.test('rates follow the tier and the units; who is held back is told', async (t) => {
  const clock = new ManualClock(Date.now());
  const cloud = await cloudFor(t, { clock, limits: { hubRateFactor: 0.01 } });
  await keyGroup(cloud, 'g', key('g'));
  const proof = { key: derived(key('g'), 'dev-1') };
  const { assignedHub } = await register(cloud, 'dev-1', proof);
  // A hundredth of S1: one connection a second, two of them at once.
  for (let n = 0; n < 2; n++) await (await signIn(cloud, assignedHub, 'dev-1', proof)).close();
  await t.rejects(signIn(cloud, assignedHub, 'dev-1', proof), { name: 'ServiceUnavailableError' });
  t.match(await lastAttempt(cloud, 'dev-1'), {
    outcome: 'refused',
    wire: { connack: 3 },
    reason: { rule: 'throttled-hub', text: /new connections.*1 unit of S1/, expected: /at most 1 new connections a second/ },
  });
  clock.advance(3000);
  const client = await signIn(cloud, assignedHub, 'dev-1', proof);
  t.teardown(() => client.close());
  await client.getTwin();
  await client.getTwin();
  await t.rejects(client.getTwin(), { message: /ThrottlingException/ });
  t.match(await lastAttempt(cloud, 'dev-1'), {
    wire: { status: 429, errorCode: 429001 },
    reason: { rule: 'throttled-hub', text: /twin reads/ },
  });
});

t.test('a device of a CA that the hub knows signs in with any leaf of its name', async (t) => {
  const cloud = await cloudFor(t);
  const hub = cloud.hub(cloud.hubs[0]?.host ?? '');
  const root = await makeAuthority('Root');
  const line = await makeAuthority('Line 7', root);
  const leaf = withChain(await issue(line, 'dev-1'), line);
  const authentication = { type: 'certificateAuthority' } as const;
  await hub.createDevice({ deviceId: 'dev-1', authentication });
  await t.rejects(hub.createDevice({ deviceId: 'dev-1' }), { code: 'DEVICE_EXISTS' });
  await t.rejects(hub.createDevice({ deviceId: 'a/b' }), { code: 'BAD_OPTIONS' });
  await t.rejects(signIn(cloud, hub.host, 'dev-1', { leaf }));
  t.match(await lastAttempt(cloud, 'dev-1'), { reason: { rule: 'x509-hub-authority', text: /no CA certificate/ } });

  const { certificate, verification } = await prove('root', root);
  await hub.certificates.upload('root', certificate);
  await t.rejects(signIn(cloud, hub.host, 'dev-1', { leaf }), 'possession is not proved yet');
  await hub.certificates.upload('root', certificate, { isVerified: true });
  t.ok(verification);
  const client = await signIn(cloud, hub.host, 'dev-1', { leaf });
  t.ok(await client.getTwin());
  await client.close();
  await t.rejects(signIn(cloud, hub.host, 'dev-1', { leaf: await issue(line, 'dev-1') }));
  t.match(
    await lastAttempt(cloud, 'dev-1'),
    { reason: { rule: 'x509-hub-authority', seen: 'issued by CN=Line 7' } },
    'the chain has a gap',
  );

  await hub.createDevice({ deviceId: 'dev-2', authentication });
  await t.rejects(signIn(cloud, hub.host, 'dev-2', { leaf }));
  t.match(await lastAttempt(cloud, 'dev-2'), { reason: { rule: 'x509-hub-common-name', seen: 'dev-1', expected: 'dev-2' } });
});

t.test('a disabled device is dropped, and let in again once it is enabled', async (t) => {
  const cloud = await cloudFor(t);
  const hub = cloud.hub(cloud.hubs[0]?.host ?? '');
  const { authentication } = await hub.createDevice({ deviceId: 'dev-1' });
  if (authentication.type !== 'sas') throw new Error('no keys');
  const proof = { key: authentication.primaryKey };
  const client = await signIn(cloud, hub.host, 'dev-1', proof);
  const dropped = once(client, 'disconnect');
  await hub.setStatus('dev-1', 'disabled', 'stolen');
  await dropped;
  await t.rejects(signIn(cloud, hub.host, 'dev-1', proof));
  t.match(await lastAttempt(cloud, 'dev-1'), { reason: { rule: 'device-disabled', text: /stolen/ } });
  await hub.setStatus('dev-1', 'enabled');
  await (await signIn(cloud, hub.host, 'dev-1', { key: authentication.secondaryKey })).close();
});

t.test('modules sign in with keys of their own, and have twins and methods of their own', async (t) => {
  const cloud = await cloudFor(t);
  const hub = cloud.hub(cloud.hubs[0]?.host ?? '');
  await hub.createDevice({ deviceId: 'gate-1', iotEdge: true });
  t.match(await hub.query('SELECT deviceId, moduleId FROM devices.modules'), [
    { deviceId: 'gate-1', moduleId: '$edgeAgent' },
    { deviceId: 'gate-1', moduleId: '$edgeHub' },
  ]);
  const { authentication } = await hub.createModule({ deviceId: 'gate-1', moduleId: 'filter' });
  if (authentication.type !== 'sas') throw new Error('no keys');
  const client = device.ModuleClient.fromConnectionString(
    `HostName=${hub.host};DeviceId=gate-1;ModuleId=filter;SharedAccessKey=${authentication.primaryKey};GatewayHostName=localhost:${cloud.dps.mqttPort}`,
    mqtt.Mqtt,
  );
  t.teardown(() => client.close().catch(() => {}));
  await client.setOptions({ ca: cloud.ca });
  const connected = once(cloud.events, 'connected');
  await client.open();
  t.match(await connected, [{ deviceId: 'gate-1', moduleId: 'filter' }]);
  const twin = await client.getTwin();
  await new Promise<void>((resolve, reject) =>
    twin.properties.reported.update({ level: 3 }, (error: Error) => (error ? reject(error) : resolve())),
  );
  t.strictSame(await hub.query("SELECT properties.reported.level FROM devices.modules WHERE moduleId = 'filter'"), [{ level: 3 }]);
  client.onMethod('reset', (_request, response) => response?.send(200, 'done'));
  t.strictSame(await hub.invokeMethod('gate-1', { moduleId: 'filter', name: 'reset', connectTimeoutMs: 30_000 }), {
    status: 200,
    payload: 'done',
  });
  const events = hub.events();
  await client.sendOutputEvent('out', new device.Message('{"x":1}'));
  const { value } = await events.next();
  t.match(value, {
    deviceId: 'gate-1',
    moduleId: 'filter',
    systemProperties: { 'iothub-connection-module-id': 'filter' },
  });
  t.equal(value?.systemProperties['iothub-outputname'], 'out', 'the client writes out/');
  await events.return?.();
});
