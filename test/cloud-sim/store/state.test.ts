import { type CloudState, startCloud } from '@zerotouch/cloud-sim/cloud';
import t from 'tap';
import { cloudFor, derived, key, keyGroup } from '../clouds.js';
import { register, signIn } from '../official-clients.js';

const proof = { key: derived(key('g'), 'dev-1') };

t.test('a whole cloud goes out as JSON and comes in again, in memory and in a folder', async (t) => {
  const first = await cloudFor(t);
  await keyGroup(first, 'g', key('g'));
  const { assignedHub } = await register(first, 'dev-1', proof);
  await first.hub(assignedHub).updateDesired('dev-1', { interval: 9 });
  const state = JSON.parse(JSON.stringify(await first.exportState())) as CloudState;
  for (const options of [{ state }, { state, data: t.testdir() }]) {
    const cloud = await cloudFor(t, options);
    t.equal(cloud.ca, first.ca);
    t.strictSame(cloud.hubs, first.hubs);
    t.match(await cloud.registrations(), [{ registrationId: 'dev-1', assignedHub }]);
    t.match(await cloud.hub(assignedHub).twin('dev-1'), { properties: { desired: { interval: 9 } } });
    await (await signIn(cloud, assignedHub, 'dev-1', proof)).close();
    t.strictSame(await cloud.exportState(), await first.exportState());
  }
});

t.test('a state of version 1 is taken: it had one DPS', async (t) => {
  const first = await cloudFor(t);
  await keyGroup(first, 'g', key('g'));
  await register(first, 'dev-1', proof);
  const { resourceGroups: _, principals: __, ...tables } = (await first.exportState()).tables;
  const bare = (records: Record<string, unknown>) =>
    Object.fromEntries(Object.entries(records).map(([name, record]) => [name.replace('zerotouch/', ''), record]));
  const own = ['individuals', 'groups', 'certificates', 'registrations', 'policies', 'links'] as const;
  const service = { dps: { allocationPolicy: 'geoLatency', challengeSecret: key('c') } };
  const old = { ...tables, ...Object.fromEntries(own.map((name) => [name, bare(tables[name])])), service };
  const cloud = await cloudFor(t, { state: { zerotouch: 'cloud', version: 1, tables: old } as never });
  t.match(await cloud.registrations(), [{ registrationId: 'dev-1' }]);
  t.equal(await cloud.linkedHubs.allocationPolicy(), 'geoLatency');
  t.equal((await cloud.linkedHubs.list()).length, 3);
  t.equal(cloud.dps.serviceConnectionString.split('SharedAccessKey=')[1], first.dps.serviceConnectionString.split('SharedAccessKey=')[1]);
});

t.test('a state from before hubs had messages, modules and configurations is taken, and one with them goes round whole', async (t) => {
  const first = await cloudFor(t);
  const { host } = first.hubs[0] as (typeof first.hubs)[0];
  const hub = first.hub(host);
  await hub.createDevice({ deviceId: 'dev-1' });
  await hub.updateDesired('dev-1', { interval: 5 });
  await hub.createModule({ deviceId: 'dev-1', moduleId: 'm-1' });
  await hub.sendMessage('dev-1', { body: 'x', messageId: 'm', ack: 'full' });
  await hub.purgeMessages('dev-1');
  await hub.sendMessage('dev-1', { body: 'waits', messageId: 'w' });
  const state = await first.exportState();
  const counts = (tables: CloudState['tables']) =>
    [tables.modules, tables.moduleTwins, tables.queues, tables.feedback].map((table) => Object.keys(table).length);
  t.strictSame(counts(state.tables), [1, 1, 1, 1]);
  const second = await cloudFor(t, { state, data: t.testdir() });
  t.strictSame(await second.exportState(), state);
  t.strictSame(await second.hub(host).query('SELECT cloudToDeviceMessageCount AS n FROM devices'), [{ n: 1 }]);

  const {
    modules: _,
    moduleTwins: __,
    queues: ___,
    feedback: ____,
    configurations: _____,
    hubCertificates: ______,
    ...tables
  } = state.tables;
  for (const version of [2, 3]) {
    const older = await cloudFor(t, { state: { ...state, version, tables } as never });
    t.strictSame(counts((await older.exportState()).tables), [0, 0, 0, 0], `version ${version}`);
    t.match(await older.hub(host).twin('dev-1'), { properties: { desired: { interval: 5 } } });
  }
});

t.test('what is no state is refused, and so is one where there are data', async (t) => {
  const data = t.testdir();
  const first = await startCloud({ data });
  const state = await first.exportState();
  await first.close();
  await t.rejects(startCloud({ data, state }), { code: 'STORE_UNUSABLE', message: /only be taken by a cloud that has none/ });
  await t.rejects(startCloud({ state: { ...state, version: 99 } as never }), { code: 'STORE_VERSION', seen: 99 });
  await t.rejects(startCloud({ state: {} as never }), { code: 'STATE_INVALID' });
  await t.rejects(startCloud({ state: { ...state, tables: { ...state.tables, more: {} } } as never }), {
    code: 'STATE_INVALID',
    where: 'state > tables',
  });
  await t.rejects(startCloud({ state: { ...state, tables: { ...state.tables, hubs: { h: 1 } } } as never }), {
    code: 'STATE_INVALID',
    where: 'state > tables > hubs',
  });
  await cloudFor(t, { data });
});
