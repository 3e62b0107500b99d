import t from 'tap';
import { openDesk } from './api/desk.js';
import { cloudFor, derived, key, keyGroup, lastAttempt } from './clouds.js';
import { register } from './official-clients.js';

const GROUP_KEY = key('line 7');
const attestation = { type: 'symmetricKey' as const, symmetricKey: { primaryKey: GROUP_KEY } };
const proof = (id: string, groupKey = GROUP_KEY) => ({ key: derived(groupKey, id) });

t.test('iotHubHostName, the older way to name a hub, is kept as it was written', async (t) => {
  const { call } = await openDesk(t);
  const iotHubHostName = 'hub-eus.azure-devices.net';
  for (const [path, id] of [
    ['/enrollments/a', { registrationId: 'a' }],
    ['/enrollmentGroups/b', { enrollmentGroupId: 'b' }],
  ] as const) {
    const made = await call('PUT', path, { body: { ...id, attestation, iotHubHostName } });
    t.match(made, { status: 200, body: { iotHubHostName } }, path);
    t.notOk('iotHubs' in made.body, 'nothing is written that nobody sent');
    const again = await call('PUT', path, { body: made.body, headers: { 'if-match': made.body.etag } });
    t.match(again, { status: 200, body: { iotHubHostName } }, 'what was read can be written back');
  }
  const bad: [object, RegExp][] = [
    [{ iotHubHostName, iotHubs: ['hub-weu.azure-devices.net'] }, /iotHubHostName: is a hub that iotHubs does not hold/],
    [{ iotHubHostName, iotHubs: [iotHubHostName, 'hub-weu.azure-devices.net'], allocationPolicy: 'static' }, /exactly one hub/],
    [{ iotHubHostName: '' }, /iotHubHostName/],
  ];
  for (const [more, message] of bad) {
    const body = { registrationId: 'c', attestation, ...more };
    t.match(await call('PUT', '/enrollments/c', { body }), { status: 400, body: { errorCode: 400004, message } });
  }
  const body = { registrationId: 'c', attestation, iotHubHostName, iotHubs: [iotHubHostName.toUpperCase()], allocationPolicy: 'static' };
  t.match(await call('PUT', '/enrollments/c', { body }), { status: 200 });
});

t.test('a device of such an enrolment goes to that hub, whatever the policy of the service', async (t) => {
  const cloud = await cloudFor(t);
  for (const { host } of cloud.hubs) {
    const groupKey = key(host);
    await keyGroup(cloud, host, groupKey, { iotHubHostName: host });
    for (const id of [`dev-1-${host}`, `dev-2-${host}`]) {
      t.match(await register(cloud, id, proof(id, groupKey)), { assignedHub: host });
    }
    t.match(await lastAttempt(cloud, `dev-1-${host}`), { reason: { text: /by static allocation/ } });
  }
});

t.test('one that names a hub that is not linked fails, and says so', async (t) => {
  const cloud = await cloudFor(t);
  await cloud.enrolments.putGroup({ enrollmentGroupId: 'line-7', attestation, iotHubHostName: 'hub-old.azure-devices.net' });
  await t.rejects(register(cloud, 'dev-1', proof('dev-1')));
  t.match(await lastAttempt(cloud, 'dev-1'), { outcome: 'failed', reason: { skipped: [{ host: 'hub-old.azure-devices.net' }] } });
});

t.test('members of null are absent, also within others', async (t) => {
  const { call } = await openDesk(t);
  const endorsementKey = Buffer.alloc(64, 1).toString('base64');
  const nothing = { tpm: null, x509: null };
  const bodies: Record<string, object> = {
    keys: { attestation: { type: 'symmetricKey', symmetricKey: { primaryKey: null, secondaryKey: null }, ...nothing } },
    root: { attestation: { type: 'tpm', tpm: { endorsementKey, storageRootKey: null } } },
    tags: { attestation, initialTwin: { tags: null, properties: { desired: { rate: 1 } } } },
    desired: { attestation, initialTwin: { tags: { line: 7 }, properties: { desired: null } } },
    properties: { attestation, initialTwin: { tags: { line: 7 }, properties: null } },
  };
  for (const [registrationId, more] of Object.entries(bodies)) {
    t.match(await call('PUT', `/enrollments/${registrationId}`, { body: { registrationId, ...more } }), { status: 200 }, registrationId);
  }
  const caReferences = { primary: 'no such CA', secondary: null };
  const group = { enrollmentGroupId: 'g', attestation: { type: 'x509', x509: { signingCertificates: null, caReferences } } };
  t.match(await call('PUT', '/enrollmentGroups/g', { body: group }), { status: 400, body: { message: /no such CA/ } });
  const { body } = await call<{ symmetricKey: { primaryKey: string } }>('POST', '/enrollments/keys/attestationmechanism');
  t.equal(Buffer.from(body.symmetricKey.primaryKey, 'base64').length, 64, 'keys of null are generated');
});
