import t from 'tap';
import { cloudFor, derived, key, keyGroup, lastAttempt } from './clouds.js';
import { register } from './official-clients.js';

const GROUP_KEY = key('line 7');
const proof = (id: string) => ({ key: derived(GROUP_KEY, id) });
const SUBSCRIPTION = '3f0c1a52-6f1e-4d0b-9a3e-0d5c7b1e8aff';

t.test('a link needs the rights that DPS uses, and says which are missing', async (t) => {
  const cloud = await cloudFor(t);
  const { host } = await cloud.hubsAdmin.create({ host: 'hub-x.azure-devices.net', region: 'uksouth', subscription: SUBSCRIPTION });
  const by = (name: string, secret?: string) => {
    const policy = cloud.hubsAdmin.policies(host).find((other) => other.name === name);
    return `HostName=${host};SharedAccessKeyName=${name};SharedAccessKey=${secret ?? policy?.primaryKey}`;
  };
  for (const [name, missing] of [
    ['service', /lacks RegistryRead, RegistryWrite;/],
    ['device', /lacks RegistryRead, RegistryWrite, ServiceConnect/],
    ['registryRead', /lacks RegistryWrite, ServiceConnect/],
    ['registryReadWrite', /lacks ServiceConnect/],
  ] as const) {
    await t.rejects(cloud.linkedHubs.link(by(name)), { code: 'BAD_LINK', message: missing }, name);
  }
  await cloud.hubsAdmin.putPolicy(host, { name: 'dps', rights: ['RegistryWrite', 'ServiceConnect'] });
  t.match(await cloud.linkedHubs.link(by('dps')), { host, region: 'uksouth', allocationWeight: 1, applyAllocationPolicy: true });
  t.match(await cloud.linkedHubs.link(by('iothubowner'), { allocationWeight: 5 }), { allocationWeight: 5 });
  t.equal((await cloud.linkedHubs.list()).length, 4);

  await t.rejects(cloud.linkedHubs.link(by('nobody', key('x'))), { code: 'BAD_LINK', message: /no policy "nobody"/ });
  const wrong = await cloud.linkedHubs.link(by('dps', key('wrong'))).then(
    () => undefined,
    (error: Error) => error,
  );
  t.match(wrong, { code: 'BAD_LINK', message: /not the one that the hub has now/ });
  t.notMatch(wrong?.message, key('wrong'));
  await t.rejects(cloud.linkedHubs.link('HostName=hub-y.azure-devices.net;SharedAccessKeyName=a;SharedAccessKey=b'), {
    code: 'UNKNOWN_HUB',
  });
  await t.rejects(cloud.linkedHubs.link('rubbish'), { code: 'BAD_LINK' });
  for (const allocationWeight of [-1, 1001, 1.5])
    await t.rejects(cloud.linkedHubs.update(host, { allocationWeight }), { code: 'BAD_LINK' });
  await t.rejects(cloud.linkedHubs.update('hub-y.azure-devices.net', {}), { code: 'UNKNOWN_LINK' });
});

t.test('as many hubs as are allowed', async (t) => {
  const cloud = await cloudFor(t, { limits: { linkedHubs: 3 } });
  const made = await cloud.hubsAdmin.create({ host: 'hub-x.azure-devices.net', region: 'uksouth', subscription: SUBSCRIPTION });
  await t.rejects(cloud.linkedHubs.link(made.connectionString), { code: 'LIMIT_REACHED' });
  await t.rejects(cloud.hubsAdmin.create(made), { code: 'HUB_EXISTS' });
  await t.rejects(cloud.hubsAdmin.create({ ...made, host: 'hub.example.org' }), { code: 'BAD_OPTIONS' });
});

t.test('a rotated key stops DPS at that hub until it is linked again; the secondary key rolls without a stop', async (t) => {
  const cloud = await cloudFor(t);
  const [hub] = cloud.hubs.map(({ host }) => host) as [string];
  await keyGroup(cloud, 'line-7', GROUP_KEY, { iotHubs: [hub] });
  t.equal((await register(cloud, 'dev-1', proof('dev-1'))).assignedHub, hub);
  await cloud.hub(hub).updateDesired('dev-1', { interval: 9 });

  await cloud.hubsAdmin.rotateKey(hub, 'iothubowner', 'secondary');
  t.equal((await register(cloud, 'dev-1', proof('dev-1'))).assignedHub, hub);
  await cloud.hubsAdmin.rotateKey(hub, 'iothubowner', 'primary');
  for (const id of ['dev-1', 'dev-2']) {
    await t.rejects(register(cloud, id, proof(id)), /.*/, id);
    t.match(await lastAttempt(cloud, id), {
      outcome: 'failed',
      wire: { errorCode: 400209 },
      reason: { rule: 'hub-rights', remedy: /link the hub again/, skipped: [{ host: hub, text: /not the one/ }] },
    });
  }
  t.match(await cloud.registrations(), [{ status: 'failed', errorMessage: 'IotHubUnauthorizedAccess' }, { status: 'failed' }]);

  const connectionString = cloud.hubs.find(({ host }) => host === hub)?.connectionString ?? '';
  await cloud.linkedHubs.link(connectionString);
  t.match(await register(cloud, 'dev-1', proof('dev-1')), { assignedHub: hub, substatus: 'reprovisionedToInitialAssignment' });
  t.equal((await cloud.hub(hub).twin('dev-1')).properties.desired.interval, 9, 'what failed in between cost nothing');

  await cloud.hubsAdmin.deletePolicy(hub, 'iothubowner');
  await t.rejects(register(cloud, 'dev-1', proof('dev-1')));
  t.match(await lastAttempt(cloud, 'dev-1'), { reason: { rule: 'hub-rights', text: /no policy "iothubowner"/ } });
  await t.rejects(cloud.hubsAdmin.rotateKey(hub, 'iothubowner', 'primary'), { code: 'UNKNOWN_POLICY' });
});

t.test('a device whose hub refuses DPS is not moved away from its data', async (t) => {
  const cloud = await cloudFor(t);
  await keyGroup(cloud, 'line-7', GROUP_KEY);
  const { assignedHub } = await register(cloud, 'dev-1', proof('dev-1'));
  for (const [break_, rule, errorCode] of [
    [() => cloud.hubsAdmin.setReachable(assignedHub, false), 'hub-unreachable', 500000],
    [() => cloud.hubsAdmin.rotateKey(assignedHub, 'iothubowner', 'primary'), 'hub-rights', 400209],
  ] as const) {
    await break_();
    await t.rejects(register(cloud, 'dev-1', proof('dev-1')));
    t.match(await lastAttempt(cloud, 'dev-1'), { wire: { errorCode }, reason: { rule } });
    t.equal((await cloud.hub(assignedHub).devices()).length, 1);
    await cloud.hubsAdmin.setReachable(assignedHub, true);
  }
  await keyGroup(cloud, 'line-7', GROUP_KEY, { reprovisionPolicy: { updateHubAssignment: false, migrateDeviceData: false } });
  t.equal((await register(cloud, 'dev-1', proof('dev-1'))).assignedHub, assignedHub, 'one that never moves stays');
});

t.test('a hub that was deleted', async (t) => {
  const cloud = await cloudFor(t);
  const [hub] = cloud.hubs.map(({ host }) => host) as [string];
  await keyGroup(cloud, 'line-7', GROUP_KEY, { iotHubs: [hub] });
  await register(cloud, 'dev-1', proof('dev-1'));
  t.equal(await cloud.hubsAdmin.remove(hub), true);
  t.throws(() => cloud.hub(hub), { code: 'UNKNOWN_HUB' });
  await t.rejects(register(cloud, 'dev-1', proof('dev-1')));
  t.match(await lastAttempt(cloud, 'dev-1'), {
    wire: { errorCode: 401001 },
    reason: { rule: 'hub-deleted', nearest: /azure-devices\.net/ },
  });

  await keyGroup(cloud, 'line-7', GROUP_KEY);
  const again = await register(cloud, 'dev-1', proof('dev-1'));
  t.not(again.assignedHub, hub);
  t.equal(again.substatus, 'initialAssignment');
  t.equal(await cloud.hubsAdmin.remove(hub), false);
});

t.test('no hub is linked at all', async (t) => {
  const cloud = await cloudFor(t);
  await keyGroup(cloud, 'line-7', GROUP_KEY);
  for (const { host } of cloud.hubs) await cloud.linkedHubs.unlink(host);
  await t.rejects(register(cloud, 'dev-1', proof('dev-1')));
  t.match(await lastAttempt(cloud, 'dev-1'), { wire: { errorCode: 400208 }, reason: { rule: 'no-hub' } });
});
