import { EventEmitter } from 'node:events';
import type { ReprovisionPolicy } from '@zerotouch/azure-wire/enrolment';
import { type AssignmentRequest, assign } from '@zerotouch/cloud-sim/dps/assignment';
import { carryOut } from '@zerotouch/cloud-sim/dps/carry-out';
import type { Source } from '@zerotouch/cloud-sim/dps/claim';
import { Links } from '@zerotouch/cloud-sim/dps/links';
import { reprovisionPolicyOf } from '@zerotouch/cloud-sim/dps/reprovision';
import { HubPark } from '@zerotouch/cloud-sim/hub/park';
import { Journal } from '@zerotouch/cloud-sim/journal';
import { limitValues } from '@zerotouch/cloud-sim/limits';
import { memoryStore } from '@zerotouch/cloud-sim/store/memory';
import { systemClock } from '@zerotouch/foundation/clock';
import { seededEntropy } from '@zerotouch/foundation/entropy';
import { pino } from 'pino';
import t from 'tap';
import { cloudFor, derived, key, keyGroup } from './clouds.js';
import { register } from './official-clients.js';
import { Wire, wireRegister } from './wire.js';

const GROUP_KEY = key('line 7');
const proof = { key: derived(GROUP_KEY, 'dev-1') };
const SUBSCRIPTION = '3f0c1a52-6f1e-4d0b-9a3e-0d5c7b1e8a01';

/** DPS without its doors: what decides, and the store. */
async function decider() {
  const parts = { store: memoryStore(), clock: systemClock, entropy: seededEntropy('30,000 devices'), limits: limitValues() };
  const journal = new Journal({
    attempts: parts.store.attempts,
    events: new EventEmitter(),
    clock: systemClock,
    log: pino({ level: 'silent' }),
  });
  const park = new HubPark({ ...parts, journal });
  const links = new Links(parts);
  const ground = {
    store: parts.store,
    hubs: park.running,
    latencies: {},
    webhook: { timeoutMs: 1, ca: undefined },
    closing: new AbortController().signal,
  };
  const addHub = async (name: string, allocationWeight: number): Promise<string> => {
    const hub = await park.create({ host: `${name}.azure-devices.net`, region: 'westeurope', subscription: SUBSCRIPTION });
    await links.link(hub.connectionString, { allocationWeight });
    return hub.host;
  };
  const registerOne = async (registrationId: string, reprovisionPolicy: ReprovisionPolicy) => {
    const source: Source = {
      kind: 'group',
      enrolment: { enrollmentGroupId: 'line', attestation: { type: 'symmetricKey', symmetricKey: {} }, reprovisionPolicy },
    };
    const request: AssignmentRequest = {
      registrationId,
      apiVersion: '2021-06-01',
      source,
      region: undefined,
      payload: undefined,
      shown: {},
    };
    const assignment = await assign(request, ground);
    if ('failed' in assignment) throw new Error(assignment.reason.text);
    const kept = { registrationId, source, operationId: '1', assignment, authenticationKey: undefined };
    await carryOut(kept, { type: 'sas', primaryKey: '', secondaryKey: '' }, { ...parts, hubs: ground.hubs });
    return assignment.move;
  };
  return { park, addHub, registerOne };
}

t.test('30,000 devices with weights 1:2:3, then a fourth hub: each moves or stays as its policy says', { timeout: 50_000 }, async (t) => {
  const { park, addHub, registerOne } = await decider();
  const weights = new Map<string, number>();
  for (const [name, weight] of [
    ['hub-a', 1],
    ['hub-b', 2],
    ['hub-c', 3],
  ] as const)
    weights.set(await addHub(name, weight), weight);
  const policies = [
    { updateHubAssignment: true, migrateDeviceData: true },
    { updateHubAssignment: true, migrateDeviceData: false },
    { updateHubAssignment: false, migrateDeviceData: false },
  ] as const;
  const COUNT = 30_000;
  const ids = Array.from({ length: COUNT }, (_, index) => `pump-${index}`);
  const first = new Map<string, string>();
  for (const [index, id] of ids.entries()) {
    const move = await registerOne(id, policies[index % 3] as ReprovisionPolicy);
    first.set(id, move.to.hub);
    if (move.substatus !== 'initialAssignment') t.fail(`${id}: ${move.substatus}`);
    // Something of the device's own, to be found again or not.
    if (index % 10 < 3) await park.running.get(move.to.hub)?.changeDesired({ deviceId: id }, { mark: index });
  }
  const share = (host: string, of: Iterable<string>) => [...of].filter((other) => other === host).length / COUNT;
  for (const [host, weight] of weights) {
    const got = share(host, first.values());
    t.ok(Math.abs(got - weight / 6) < 0.01, `${host}: ${(got * 100).toFixed(2)} % of ${((weight / 6) * 100).toFixed(2)} %`);
  }

  const fourth = await addHub('hub-d', 6);
  const moved = [0, 0, 0];
  for (const [index, id] of ids.entries()) {
    const policy = index % 3;
    const { to, substatus } = await registerOne(id, policies[policy] as ReprovisionPolicy);
    const before = first.get(id);
    if (to.hub === before) {
      if (substatus !== 'reprovisionedToInitialAssignment') t.fail(`${id} stayed: ${substatus}`);
      continue;
    }
    moved[policy] = (moved[policy] ?? 0) + 1;
    if (to.hub !== fourth) t.fail(`${id} moved from ${before} to ${to.hub}: a new hub takes devices, it does not shuffle the others`);
    if (substatus !== (policy === 0 ? 'deviceDataMigrated' : 'deviceDataReset')) t.fail(`${id}: ${substatus}`);
    if ((await park.running.get(before ?? '')?.registry.get(id)) !== undefined) t.fail(`${id} is still at ${before}`);
    const mark = (await park.running.get(to.hub)?.twins.get({ deviceId: id }))?.desired.mark;
    const wanted = policy === 0 && index % 10 < 3 ? index : undefined;
    if (mark !== wanted) t.fail(`${id}: mark ${mark} instead of ${wanted}`);
  }
  // The fourth hub has half of all weight now.
  for (const policy of [0, 1])
    t.ok(Math.abs((moved[policy] ?? 0) / (COUNT / 3) - 0.5) < 0.02, `policy ${policy}: ${moved[policy]} of 10000 moved`);
  t.equal(moved[2], 0, 'never: nobody moved');
});

t.test('what an old device does without a policy', async (t) => {
  t.match(reprovisionPolicyOf({}, '2018-04-01'), { updateHubAssignment: false });
  t.match(reprovisionPolicyOf({}, '2019-03-31'), { updateHubAssignment: true, migrateDeviceData: true });
  const policy = { updateHubAssignment: true, migrateDeviceData: false };
  t.equal(reprovisionPolicyOf({ reprovisionPolicy: policy }, '2018-04-01'), policy);

  const cloud = await cloudFor(t);
  await keyGroup(cloud, 'line-7', GROUP_KEY);
  const { assignedHub } = await register(cloud, 'dev-1', proof);
  await keyGroup(cloud, 'line-7', GROUP_KEY, { iotHubs: cloud.hubs.map(({ host }) => host).filter((host) => host !== assignedHub) });
  const wire = await Wire.to(cloud);
  const { registrationState } = await wireRegister(wire, cloud, 'dev-1', GROUP_KEY, { apiVersion: '2018-04-01' });
  wire.end();
  t.equal(registrationState?.assignedHub, assignedHub);
  t.not((await register(cloud, 'dev-1', proof)).assignedHub, assignedHub);
});

t.test('reset to initial: the device starts anew at the other hub, and is gone from the old one', async (t) => {
  const cloud = await cloudFor(t);
  const initialTwin = { properties: { desired: { interval: 5 } } };
  const reprovisionPolicy = { updateHubAssignment: true, migrateDeviceData: false };
  await keyGroup(cloud, 'line-7', GROUP_KEY, { initialTwin, reprovisionPolicy });
  const first = await register(cloud, 'dev-1', proof);
  await cloud.hub(first.assignedHub).updateDesired('dev-1', { interval: 9 });
  const iotHubs = cloud.hubs.map(({ host }) => host).filter((host) => host !== first.assignedHub);
  await keyGroup(cloud, 'line-7', GROUP_KEY, { initialTwin, reprovisionPolicy, iotHubs });
  const second = await register(cloud, 'dev-1', proof);
  t.equal(second.substatus, 'deviceDataReset');
  t.strictSame(await cloud.hub(first.assignedHub).devices(), []);
  t.strictSame((await cloud.hub(second.assignedHub).twin('dev-1')).properties.desired, { interval: 5, $version: 1 });
});

t.test('migration takes capabilities along', async (t) => {
  const cloud = await cloudFor(t);
  await keyGroup(cloud, 'line-7', GROUP_KEY, { capabilities: { iotEdge: true } });
  const first = await register(cloud, 'dev-1', proof);
  t.match(await cloud.hub(first.assignedHub).devices(), [{ capabilities: { iotEdge: true } }]);
  const iotHubs = cloud.hubs.map(({ host }) => host).filter((host) => host !== first.assignedHub);
  await keyGroup(cloud, 'line-7', GROUP_KEY, { iotHubs, capabilities: { iotEdge: false } });
  const second = await register(cloud, 'dev-1', proof);
  t.equal(second.substatus, 'deviceDataMigrated');
  t.match(await cloud.hub(second.assignedHub).devices(), [{ capabilities: { iotEdge: true } }]);
});

t.test('an unlinked hub keeps its devices: they start anew elsewhere, or stay where they never move', async (t) => {
  const cloud = await cloudFor(t);
  await keyGroup(cloud, 'line-7', GROUP_KEY);
  const first = await register(cloud, 'dev-1', proof);
  await cloud.linkedHubs.unlink(first.assignedHub);
  await keyGroup(cloud, 'line-7', GROUP_KEY, { reprovisionPolicy: { updateHubAssignment: false, migrateDeviceData: false } });
  t.match(await register(cloud, 'dev-1', proof), { assignedHub: first.assignedHub, substatus: 'reprovisionedToInitialAssignment' });
  await keyGroup(cloud, 'line-7', GROUP_KEY);
  const second = await register(cloud, 'dev-1', proof);
  t.not(second.assignedHub, first.assignedHub);
  t.equal(second.substatus, 'initialAssignment');
  t.equal((await cloud.hub(first.assignedHub).devices()).length, 1);
});

t.test('the enrolment, the device: what is deleted, and what a registration makes of it', async (t) => {
  const cloud = await cloudFor(t);
  await keyGroup(cloud, 'line-7', GROUP_KEY);
  const first = await register(cloud, 'dev-1', proof);

  await cloud.enrolments.deleteGroup('line-7');
  await t.rejects(register(cloud, 'dev-1', proof), { name: 'UnauthorizedError' });
  t.equal((await cloud.hub(first.assignedHub).devices()).length, 1, 'the hub device outlives the enrolment');
  t.match(await cloud.registrations(), [{ status: 'assigned' }]);

  await keyGroup(cloud, 'line-7', GROUP_KEY);
  await cloud.hub(first.assignedHub).updateDesired('dev-1', { interval: 9 });
  t.equal(await cloud.deleteRegistration('DEV-1'), true);
  t.equal(await cloud.deleteRegistration('dev-1'), false);
  t.equal((await cloud.hub(first.assignedHub).devices()).length, 1, 'the hub device outlives its registration');
  t.match(await register(cloud, 'dev-1', proof), { assignedHub: first.assignedHub, substatus: 'initialAssignment' });
  t.equal((await cloud.hub(first.assignedHub).twin('dev-1')).properties.desired.interval, 9, 'and is found again with its twin');

  await cloud.hub(first.assignedHub).remove('dev-1');
  t.match(await register(cloud, 'dev-1', proof), { assignedHub: first.assignedHub, substatus: 'initialAssignment' });
  t.equal((await cloud.hub(first.assignedHub).twin('dev-1')).properties.desired.interval, undefined, 'a deleted device starts anew');
});

t.test('two registrations of one device at once end in one place', async (t) => {
  const cloud = await cloudFor(t);
  await keyGroup(cloud, 'line-7', GROUP_KEY);
  const first = await register(cloud, 'dev-1', proof);
  await cloud.hub(first.assignedHub).updateDesired('dev-1', { interval: 9 });
  const iotHubs = cloud.hubs.map(({ host }) => host).filter((host) => host !== first.assignedHub);
  await keyGroup(cloud, 'line-7', GROUP_KEY, { iotHubs });
  const wires = await Promise.all([Wire.to(cloud), Wire.to(cloud), Wire.to(cloud)]);
  await Promise.allSettled(wires.map((wire) => wireRegister(wire, cloud, 'dev-1', GROUP_KEY)));
  for (const wire of wires) wire.end();
  const devices = await Promise.all(cloud.hubs.map(async ({ host }) => ({ host, devices: await cloud.hub(host).devices() })));
  const places = devices.filter((hub) => hub.devices.length > 0);
  t.equal(places.length, 1);
  t.equal((await cloud.hub(places[0]?.host ?? '').twin('dev-1')).properties.desired.interval, 9);
});
