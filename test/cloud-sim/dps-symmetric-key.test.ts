import { systemClock } from '@zerotouch/foundation/clock';
import t from 'tap';
import { cloudFor, derived, key, keyGroup, lastAttempt } from './clouds.js';
import { register } from './official-clients.js';

const GROUP_KEY = key('line 7');

t.test('a device of a group is assigned, and its hub knows it with its initial twin', async (t) => {
  const cloud = await cloudFor(t);
  await keyGroup(cloud, 'line-7', GROUP_KEY, { initialTwin: { tags: { line: 7 }, properties: { desired: { interval: 5 } } } });
  const told: string[] = [];
  cloud.events.on('registered', ({ registrationId, hub, enrolment }) =>
    told.push(`${registrationId} ${hub} ${enrolment.kind} ${enrolment.id}`),
  );

  const result = await register(cloud, 'dev-1', { key: derived(GROUP_KEY, 'dev-1') });

  t.match(result, { status: 'assigned', deviceId: 'dev-1', substatus: 'initialAssignment', registrationId: 'dev-1' });
  t.ok(cloud.hubs.some(({ host }) => host === result.assignedHub));
  t.strictSame(told, [`dev-1 ${result.assignedHub} group line-7`]);
  t.match(await cloud.hub(result.assignedHub).devices(), [{ deviceId: 'dev-1', authentication: 'sas', connectionState: 'Disconnected' }]);
  const twin = await cloud.hub(result.assignedHub).twin('dev-1');
  t.strictSame(twin.tags, { line: 7 });
  t.strictSame(twin.properties, { desired: { interval: 5, $version: 1 }, reported: { $version: 1 } });
  t.match(await cloud.registrations(), [
    { registrationId: 'dev-1', status: 'assigned', assignedHub: result.assignedHub, symmetricKey: { enrollmentGroupId: 'line-7' } },
  ]);
  t.match(await lastAttempt(cloud, 'DEV-1'), { service: 'dps', outcome: 'assigned', wire: { status: 200 }, reason: { rule: 'assigned' } });
});

t.test('the secondary key of a group counts as well', async (t) => {
  const cloud = await cloudFor(t);
  await keyGroup(cloud, 'line-7', GROUP_KEY);
  t.equal((await register(cloud, 'dev-1', { key: derived(key('line-7 second'), 'dev-1') })).status, 'assigned');
});

t.test('a second registration on the same hub keeps the twin', async (t) => {
  const cloud = await cloudFor(t);
  await keyGroup(cloud, 'line-7', GROUP_KEY, { initialTwin: { properties: { desired: { interval: 5 } } } });
  const proof = { key: derived(GROUP_KEY, 'dev-1') };
  const first = await register(cloud, 'dev-1', proof);
  await cloud.hub(first.assignedHub).updateDesired('dev-1', { interval: 9 });
  const [before] = await cloud.hub(first.assignedHub).devices();

  const second = await register(cloud, 'dev-1', proof);

  t.match(second, { assignedHub: first.assignedHub, deviceId: 'dev-1', substatus: 'reprovisionedToInitialAssignment' });
  t.strictSame((await cloud.hub(first.assignedHub).twin('dev-1')).properties.desired, { interval: 9, $version: 2 });
  t.equal((await cloud.hub(first.assignedHub).devices())[0]?.generationId, before?.generationId);
  t.equal((await cloud.registrations()).length, 1);
});

t.test('a device whose hub left the enrolment moves with its twin', async (t) => {
  const cloud = await cloudFor(t);
  await keyGroup(cloud, 'line-7', GROUP_KEY);
  const proof = { key: derived(GROUP_KEY, 'dev-1') };
  const first = await register(cloud, 'dev-1', proof);
  await cloud.hub(first.assignedHub).updateDesired('dev-1', { interval: 9 });
  const others = cloud.hubs.map(({ host }) => host).filter((host) => host !== first.assignedHub);
  await keyGroup(cloud, 'line-7', GROUP_KEY, { iotHubs: others });

  const second = await register(cloud, 'dev-1', proof);

  t.not(second.assignedHub, first.assignedHub);
  t.equal(second.substatus, 'deviceDataMigrated');
  t.strictSame(await cloud.hub(first.assignedHub).devices(), []);
  t.equal((await cloud.hub(second.assignedHub).twin('dev-1')).properties.desired.interval, 9);
});

t.test('an individual enrolment decides before the group, and may name the device', async (t) => {
  const cloud = await cloudFor(t);
  await keyGroup(cloud, 'line-7', GROUP_KEY);
  const own = key('its own key');
  await cloud.enrolments.putIndividual({
    registrationId: 'Dev-1',
    deviceId: 'pump-north',
    attestation: { type: 'symmetricKey', symmetricKey: { primaryKey: own } },
  });
  t.match(await register(cloud, 'dev-1', { key: own }), { status: 'assigned', deviceId: 'pump-north' });
  await t.rejects(register(cloud, 'dev-1', { key: derived(GROUP_KEY, 'dev-1') }), { name: 'UnauthorizedError' });
  t.match(await lastAttempt(cloud, 'dev-1'), {
    wire: { status: 401, errorCode: 401000 },
    reason: { rule: 'sas-signature', text: /Dev-1/ },
  });
});

t.test('keys that are left out are generated, and stay', async (t) => {
  const cloud = await cloudFor(t);
  const enrolment = { registrationId: 'dev-1', attestation: { type: 'symmetricKey' as const, symmetricKey: {} } };
  const first = await cloud.enrolments.putIndividual(enrolment);
  const second = await cloud.enrolments.putIndividual({ ...enrolment, capabilities: { iotEdge: true } });
  t.strictSame(second.attestation, first.attestation);
  if (first.attestation.type !== 'symmetricKey') throw new Error('another attestation');
  const { primaryKey = '' } = first.attestation.symmetricKey;
  t.equal(Buffer.from(primaryKey, 'base64').length, 64);
  t.equal((await register(cloud, 'dev-1', { key: primaryKey })).status, 'assigned');
});

t.test('refusals', async (t) => {
  const cloud = await cloudFor(t);
  const refused: string[] = [];
  cloud.events.on('refused', ({ id, reason }) => refused.push(`${id} ${reason.rule}`));

  await t.rejects(register(cloud, 'nobody', { key: key('any') }), { name: 'UnauthorizedError' });
  t.match(await lastAttempt(cloud, 'nobody'), {
    outcome: 'refused',
    wire: { status: 401, errorCode: 401000 },
    reason: { rule: 'no-enrolment' },
  });

  await keyGroup(cloud, 'line-7', GROUP_KEY);
  await t.rejects(register(cloud, 'wrong', { key: derived(key('line 8'), 'wrong') }), { name: 'UnauthorizedError' });
  t.match(await lastAttempt(cloud, 'wrong'), {
    wire: { status: 401, errorCode: 401000 },
    reason: { rule: 'sas-signature', expected: /line-7/ },
  });

  await t.rejects(register(cloud, 'direct', { key: GROUP_KEY }), { name: 'UnauthorizedError' });
  t.match(await lastAttempt(cloud, 'direct'), {
    wire: { status: 401, errorCode: 401000 },
    reason: { rule: 'sas-group-key', text: /key of enrolment group "line-7" itself/, remedy: /derive/ },
  });

  const asText = Buffer.from(derived(GROUP_KEY, 'text')).toString('base64');
  await t.rejects(register(cloud, 'text', { key: asText }), { name: 'UnauthorizedError' });
  t.match(await lastAttempt(cloud, 'text'), { reason: { rule: 'sas-key-text', remedy: /base64/ } });

  await keyGroup(cloud, 'line-7', GROUP_KEY, { provisioningStatus: 'disabled' });
  await t.rejects(register(cloud, 'dev-1', { key: derived(GROUP_KEY, 'dev-1') }), { name: 'UnauthorizedError' });
  t.match(await lastAttempt(cloud, 'dev-1'), {
    wire: { status: 401, errorCode: 401002 },
    reason: { rule: 'enrolment-disabled', text: /line-7/ },
  });

  await keyGroup(cloud, 'line-7', GROUP_KEY);
  const own = key('its own key');
  await cloud.enrolments.putIndividual({
    registrationId: 'dev-2',
    provisioningStatus: 'disabled',
    attestation: { type: 'symmetricKey', symmetricKey: { primaryKey: own } },
  });
  await t.rejects(register(cloud, 'dev-2', { key: own }), { name: 'UnauthorizedError' });
  t.match(await lastAttempt(cloud, 'dev-2'), {
    wire: { status: 401, errorCode: 401002 },
    reason: { rule: 'enrolment-disabled', text: /individual/ },
  });

  t.strictSame(refused, [
    'nobody no-enrolment',
    'wrong sas-signature',
    'direct sas-group-key',
    'text sas-key-text',
    'dev-1 enrolment-disabled',
    'dev-2 enrolment-disabled',
  ]);
  t.strictSame(await cloud.registrations(), []);
  for (const { host } of cloud.hubs) t.strictSame(await cloud.hub(host).devices(), []);
  for (const id of ['wrong', 'direct', 'dev-2']) {
    const told = JSON.stringify(await cloud.attempts(id));
    t.notMatch(told, GROUP_KEY);
    t.notMatch(told, own);
  }
});

t.test('a token is judged by the clock of the service', async (t) => {
  const twoHoursOn = { ...systemClock, now: () => Date.now() + 2 * 3_600_000 };
  const cloud = await cloudFor(t, { clock: twoHoursOn });
  await keyGroup(cloud, 'line-7', GROUP_KEY);
  await t.rejects(register(cloud, 'dev-1', { key: derived(GROUP_KEY, 'dev-1') }), { name: 'UnauthorizedError' });
  t.match(await lastAttempt(cloud, 'dev-1'), { wire: { status: 401, errorCode: 401000 }, reason: { rule: 'sas-expired' } });
});

t.test('another ID scope is not let in', async (t) => {
  const cloud = await cloudFor(t);
  await t.rejects(register(cloud, 'dev-1', { key: key('any') }, '0ne0000FFFF'), { code: 5 });
  t.match(await lastAttempt(cloud, 'dev-1'), {
    wire: { connack: 5 },
    reason: { rule: 'id-scope', seen: '0ne0000FFFF', expected: cloud.dps.idScope },
  });
});

t.test('hubs of an enrolment that are not linked are skipped; when none is left, the registration fails', async (t) => {
  const cloud = await cloudFor(t);
  const [hub] = cloud.hubs;
  await keyGroup(cloud, 'some', GROUP_KEY, { iotHubs: ['gone.azure-devices.net', hub?.host] });
  t.equal((await register(cloud, 'dev-1', { key: derived(GROUP_KEY, 'dev-1') })).assignedHub, hub?.host);
  t.match(await lastAttempt(cloud, 'dev-1'), { reason: { text: /passed over: gone\.azure-devices\.net is not linked/ } });

  await keyGroup(cloud, 'some', GROUP_KEY, { iotHubs: ['gone.azure-devices.net'] });
  await t.rejects(register(cloud, 'dev-2', { key: derived(GROUP_KEY, 'dev-2') }));
  t.match(await cloud.registrations(), [{ registrationId: 'dev-1' }, { registrationId: 'dev-2', status: 'failed', errorCode: 400208 }]);
  t.match(await lastAttempt(cloud, 'dev-2'), {
    outcome: 'failed',
    wire: { status: 200, errorCode: 400208 },
    reason: { rule: 'hub-unlinked' },
  });
});
