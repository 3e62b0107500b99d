import type { IotDpsPropertiesDescription, IotHubDefinitionDescription } from '@azure/arm-deviceprovisioningservices';
import t, { type Test } from 'tap';
import { cloudFor, derived, key, keyGroup, lastAttempt } from '../clouds.js';
import { register, signIn } from '../official-clients.js';
import { Wire, wireRegister } from '../wire.js';
import { managementClients, OTHER_SUBSCRIPTION } from './manager.js';

const [GROUP, DPS] = ['zerotouch', 'zerotouch'] as const;
const GROUP_KEY = key('line');
const [WEU, EUS, SEA] = ['hub-weu.azure-devices.net', 'hub-eus.azure-devices.net', 'hub-sea.azure-devices.net'] as const;
const proof = (id: string) => ({ key: derived(GROUP_KEY, id) });
type Link = IotHubDefinitionDescription;

/**
 * A cloud whose first hub gets every device, with two that are there: `mover` will register again, `stayer` never does.
 * What is done then goes through the resource manager, as az does it: the whole DPS comes back, keys masked.
 */
async function scene(t: Test) {
  const cloud = await cloudFor(t);
  const { dps, hubs } = await managementClients(t, cloud);
  const api = dps.iotDpsResource;
  const update = async (change: (links: Link[]) => Link[], more: Partial<IotDpsPropertiesDescription> = {}) => {
    const now = await api.get(DPS, GROUP);
    const iotHubs = change((now.properties.iotHubs ?? []).map(({ name: _, ...link }) => link));
    await api.beginCreateOrUpdateAndWait(GROUP, DPS, { ...now, properties: { ...now.properties, ...more, iotHubs } });
  };
  await keyGroup(cloud, 'line', GROUP_KEY);
  await update((links) => links.map((link) => ({ ...link, allocationWeight: isOf(link, WEU) ? 1 : 0 })));
  for (const id of ['mover', 'stayer']) {
    t.match(await register(cloud, id, proof(id)), { assignedHub: WEU });
    await cloud.hub(WEU).updateDesired(id, { kept: id });
  }
  let stayer = await signIn(cloud, WEU, 'stayer', proof('stayer'));
  t.teardown(() => stayer.close());
  const stays = async () => {
    t.match((await stayer.getTwin()).properties.desired, { kept: 'stayer' }, 'a device that stays is still connected');
    await stayer.close();
    stayer = await signIn(cloud, WEU, 'stayer', proof('stayer'));
  };
  return { cloud, api, hubs: hubs.iotHubResource, update, stays };
}

function isOf({ connectionString }: Link, host: string): boolean {
  return connectionString.includes(`HostName=${host};`);
}

t.test('a changed weight counts from the next registration on', async (t) => {
  const { cloud, update, stays } = await scene(t);
  await update((links) => links.map((link) => ({ ...link, allocationWeight: isOf(link, EUS) ? 5 : 0 })));
  t.match(await register(cloud, 'new', proof('new')), { assignedHub: EUS, substatus: 'initialAssignment' });
  t.match(await register(cloud, 'mover', proof('mover')), { assignedHub: EUS, substatus: 'deviceDataMigrated' });
  t.match((await cloud.hub(EUS).twin('mover')).properties.desired, { kept: 'mover' });
  await t.rejects(signIn(cloud, WEU, 'mover', proof('mover')), 'it is at its old hub no more');
  await (await signIn(cloud, EUS, 'mover', proof('mover'))).close();
  await stays();
});

t.test('a changed allocation policy counts from the next registration on, where the enrolment has none of its own', async (t) => {
  const { cloud, update, stays } = await scene(t);
  await keyGroup(cloud, 'own', key('own'), { allocationPolicy: 'hashed' });
  await update((links) => links.map((link) => ({ ...link, allocationWeight: isOf(link, WEU) ? 1000 : 1 })), {
    allocationPolicy: 'GeoLatency',
  });
  const fromJapan = async (id: string) => {
    const wire = await Wire.to(cloud, { host: cloud.dps.edges.find(({ region }) => region === 'japaneast')?.address ?? '' });
    const { registrationState } = await wireRegister(wire, cloud, id, GROUP_KEY);
    wire.end();
    return registrationState;
  };
  t.match(await fromJapan('new'), { assignedHub: SEA });
  t.match(await fromJapan('mover'), { assignedHub: SEA, substatus: 'deviceDataMigrated' });
  await update((links) => links.map((link) => ({ ...link, allocationWeight: isOf(link, WEU) ? 1 : 0 })), { allocationPolicy: 'Static' });
  await t.rejects(register(cloud, 'third', proof('third')));
  t.match(await lastAttempt(cloud, 'third'), { wire: { errorCode: 400208 }, reason: { rule: 'static-hubs' } });
  const own = { key: derived(key('own'), 'fourth') };
  t.match(await register(cloud, 'fourth', own), { assignedHub: WEU }, "the enrolment's policy goes before it");
  await stays();
});

t.test('a hub that is taken out gets no device, and those that register again leave it', async (t) => {
  const { cloud, update, stays } = await scene(t);
  await update((links) =>
    links.map((link) => ({ ...link, allocationWeight: isOf(link, SEA) ? 0 : 1, applyAllocationPolicy: !isOf(link, WEU) })),
  );
  t.match(await register(cloud, 'new', proof('new')), { assignedHub: EUS });
  t.match(await register(cloud, 'mover', proof('mover')), { assignedHub: EUS, substatus: 'deviceDataMigrated' });
  await keyGroup(cloud, 'named', key('named'), { iotHubs: [WEU] });
  await t.rejects(register(cloud, 'named', { key: derived(key('named'), 'named') }));
  t.match(await lastAttempt(cloud, 'named'), {
    wire: { errorCode: 400208 },
    reason: { rule: 'hub-taken-out', remedy: /applyAllocationPolicy/ },
  });
  await stays();
});

t.test('a hub that is unlinked keeps its devices: one that registers again starts anew elsewhere', async (t) => {
  const { cloud, update, stays } = await scene(t);
  const never = { updateHubAssignment: false, migrateDeviceData: false };
  await keyGroup(cloud, 'never', key('never'), { reprovisionPolicy: never });
  await register(cloud, 'loyal', { key: derived(key('never'), 'loyal') });
  await keyGroup(cloud, 'named', key('named'), { iotHubs: [WEU] });
  await update((links) => links.filter((link) => !isOf(link, WEU)).map((link) => ({ ...link, allocationWeight: isOf(link, EUS) ? 1 : 0 })));
  t.match(await register(cloud, 'new', proof('new')), { assignedHub: EUS });
  t.match(await register(cloud, 'mover', proof('mover')), { assignedHub: EUS, substatus: 'initialAssignment' });
  t.strictSame((await cloud.hub(EUS).twin('mover')).properties.desired.kept, undefined, 'DPS cannot fetch what lies there');
  t.match((await cloud.hub(WEU).twin('mover')).properties.desired, { kept: 'mover' }, 'which stays where it is');
  t.match(await register(cloud, 'loyal', { key: derived(key('never'), 'loyal') }), { assignedHub: WEU }, 'one that never moves');
  await t.rejects(register(cloud, 'named', { key: derived(key('named'), 'named') }));
  t.match(await lastAttempt(cloud, 'named'), {
    wire: { errorCode: 400208 },
    reason: { rule: 'hub-unlinked', remedy: /change the enrolment/ },
  });
  await stays();
});

t.test("a regenerated key stops DPS at that hub until the link has it, and not the hub's devices", async (t) => {
  const { cloud, api, hubs, update, stays } = await scene(t);
  // As az iot hub policy renew-key does it: every policy with its keys, one of them new.
  const renew = async (which: 'primaryKey' | 'secondaryKey', fresh: string) => {
    const authorizationPolicies = [];
    for await (const policy of hubs.listKeys(GROUP, 'hub-weu'))
      authorizationPolicies.push(policy.keyName === 'iothubowner' ? { ...policy, [which]: fresh } : policy);
    const hub = await hubs.get(GROUP, 'hub-weu');
    await hubs.beginCreateOrUpdateAndWait(GROUP, 'hub-weu', { ...hub, properties: { ...hub.properties, authorizationPolicies } });
  };
  await renew('secondaryKey', key('second key'));
  t.match(await register(cloud, 'new', proof('new')), { assignedHub: WEU }, 'the link has the primary key');
  await renew('primaryKey', key('fresh key'));
  for (const id of ['newer', 'mover']) {
    await t.rejects(register(cloud, id, proof(id)));
    t.match(await lastAttempt(cloud, id), { wire: { errorCode: 400209 }, reason: { rule: 'hub-rights', remedy: /link the hub again/ } });
  }
  await stays();
  t.match(await cloud.hub(WEU).device('mover'), { deviceId: 'mover' }, 'nothing was taken away');
  await update((links) => links.map((link) => ({ ...link, allocationWeight: isOf(link, WEU) ? 2 : 0 })));
  await t.rejects(register(cloud, 'newer', proof('newer')), 'a masked key is the stored one, stale as it is');
  const anew = `HostName=${WEU};SharedAccessKeyName=iothubowner;SharedAccessKey=${key('fresh key')}`;
  await update((links) => links.map((link) => (isOf(link, WEU) ? { ...link, connectionString: anew } : link)));
  t.match(await register(cloud, 'newer', proof('newer')), { assignedHub: WEU });
  t.match(await register(cloud, 'mover', proof('mover')), { assignedHub: WEU, substatus: 'reprovisionedToInitialAssignment' });
  t.notMatch(JSON.stringify(await api.get(DPS, GROUP)), key('fresh key'), 'and is shown to nobody');
});

t.test('hubs of two subscriptions serve one DPS, and a hub that is deleted is passed over', async (t) => {
  const { cloud, update, stays } = await scene(t);
  const other = (await managementClients(t, cloud, OTHER_SUBSCRIPTION)).hubs.iotHubResource;
  await other.beginCreateOrUpdateAndWait(GROUP, 'hub-other', { location: 'eastus', sku: { name: 'S1', capacity: 1 } });
  const { primaryKey } = await other.getKeysForKeyName(GROUP, 'hub-other', 'iothubowner');
  const connectionString = `HostName=hub-other.azure-devices.net;SharedAccessKeyName=iothubowner;SharedAccessKey=${primaryKey}`;
  await update((links) => [...links, { connectionString, location: 'eastus', allocationWeight: 1 }]);
  const spread = new Set<string>();
  for (let n = 0; n < 12; n++) spread.add((await register(cloud, `new-${n}`, proof(`new-${n}`))).assignedHub);
  t.strictSame([...spread].sort(), ['hub-other.azure-devices.net', WEU]);
  await other.beginDeleteAndWait(GROUP, 'hub-other');
  for (let n = 0; n < 6; n++) t.match(await register(cloud, `new-${n}`, proof(`new-${n}`)), { assignedHub: WEU });
  await stays();
});
