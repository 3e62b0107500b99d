import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { LOCAL_ID_SCOPE } from '@zerotouch/azure-wire/ids';
import { type Cloud, startCloud } from '@zerotouch/cloud-sim/cloud';
import { serviceStore } from '@zerotouch/cloud-sim/store/service-store';
import { sqliteStore } from '@zerotouch/cloud-sim/store/sqlite/sqlite';
import t from 'tap';
import { cloudFor, derived, key, keyGroup } from '../clouds.js';
import { register, signIn, twinOf } from '../official-clients.js';
import { Wire, wireRegister } from '../wire.js';

const GROUP_KEY = key('line 7');
const proof = { key: derived(GROUP_KEY, 'dev-1') };

t.test('a cloud that is started again is the same cloud', async (t) => {
  const data = join(t.testdir(), 'data');
  const first = await startCloud({ data, retryAfterSeconds: 0 });
  await keyGroup(first, 'line-7', GROUP_KEY, { initialTwin: { properties: { desired: { interval: 5 } } } });
  const { assignedHub } = await register(first, 'dev-1', proof);
  await first.hub(assignedHub).updateDesired('dev-1', { interval: 6 });
  await t.rejects(startCloud({ data }), { code: 'STORE_UNUSABLE' });
  await first.close();

  const second = await cloudFor(t, { data });
  t.equal(second.ca, first.ca, 'devices still trust it');
  t.strictSame(second.hubs, first.hubs, 'services still get in');
  const ownerKey = (cloud: Cloud) => cloud.dps.serviceConnectionString.split('SharedAccessKey=')[1];
  t.equal(ownerKey(second), ownerKey(first));
  t.match(await second.registrations(), [{ registrationId: 'dev-1', status: 'assigned', assignedHub }]);
  t.match(await second.attempts('dev-1'), [{ outcome: 'assigned' }]);
  const client = await signIn(second, assignedHub, 'dev-1', proof);
  t.match(await twinOf(client), { properties: { desired: { interval: 6, $version: 2 } } }, 'the cached assignment still works');
  await client.close();
  t.match(await register(second, 'dev-1', proof), { assignedHub, substatus: 'reprovisionedToInitialAssignment' });
});

t.test('options that are refused leave the data free', async (t) => {
  const data = t.testdir();
  await t.rejects(startCloud({ data, policies: [{ name: '', rights: [] }] }), { code: 'BAD_OPTIONS' });
  await cloudFor(t, { data });
});

t.test('a registration that was answered survives kill -9', async (t) => {
  const data = t.testdir();
  const answered = new Map<string, string>();
  for (let round = 0; round < 4; round++) {
    const { child, cloud } = await startChild(data);
    // How many are answered before the end: another number each round, so that it falls on another moment of the others.
    const until = answered.size + 3 + round * 4;
    const devices = Array.from({ length: 40 }, (_, n) => `dev-${round}-${n}`);
    await Promise.all(
      devices.map(async (id) => {
        try {
          const wire = await Wire.to(cloud);
          const { registrationState } = await wireRegister(wire, cloud, id, GROUP_KEY);
          answered.set(id, registrationState?.assignedHub ?? '');
          if (answered.size === until) child.kill('SIGKILL');
        } catch {
          // Cut off by the kill: this one was not answered.
        }
      }),
    );
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    t.ok(answered.size >= until, `round ${round}: ${answered.size} answered`);
  }
  const store = await sqliteStore(data);
  const { registrations } = serviceStore(store, 'zerotouch');
  const kept = await Promise.all([...answered.keys()].map(async (id) => (await registrations.get(id))?.state.assignedHub));
  t.strictSame(kept, [...answered.values()]);
  for (const [id, hub] of answered) if ((await store.devices.get(`${hub}/${id}`)) === undefined) t.fail(`${id} is not in ${hub}`);
  await store.close();
});

/** A cloud in a process of its own; what a wire needs to know of it. */
async function startChild(data: string): Promise<{ child: ChildProcess; cloud: Cloud }> {
  const script = `
    import { startCloud } from ${JSON.stringify(import.meta.resolve('@zerotouch/cloud-sim/cloud'))};
    const cloud = await startCloud({ data: ${JSON.stringify(data)}, retryAfterSeconds: 0 });
    await cloud.enrolments.putGroup({ enrollmentGroupId: 'g', attestation: { type: 'symmetricKey', symmetricKey: { primaryKey: '${GROUP_KEY}' } } });
    console.log(JSON.stringify({ dps: cloud.dps, ca: cloud.ca }));
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  return { child, cloud: JSON.parse(line) as Cloud };
}

t.test('many enrolments come in one transaction, and a device is found among them', async (t) => {
  const cloud = await cloudFor(t, { data: t.testdir() });
  const enrollments = Array.from({ length: 5000 }, (_, n) => ({
    registrationId: `dev-${n}`,
    attestation: { type: 'symmetricKey' as const, symmetricKey: { primaryKey: key(`dev-${n}`) } },
  }));
  const file = { version: 1 as const, batch: 'big', idScope: LOCAL_ID_SCOPE, certificates: [], enrollmentGroups: [], enrollments };
  t.match(await cloud.import(file), { created: 5000 });
  t.match(await cloud.import(file), { unchanged: 5000 });
  t.match(await register(cloud, 'dev-4321', { key: key('dev-4321') }), { status: 'assigned' });
});
