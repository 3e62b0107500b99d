import { Agent } from 'node:https';
import t from 'tap';
import { type Answer, type Ask, callerOf } from '../cloud-sim/api/desk.js';
import { issue, makeAuthority } from '../cloud-sim/certificates.js';
import { cloudFor, derived, key } from '../cloud-sim/clouds.js';
import { register } from '../cloud-sim/official-clients.js';
import { Specification } from './swagger.js';

const folder = process.env.ZT_AZURE_SPECS;
if (folder === undefined || folder === '') throw new Error("ZT_AZURE_SPECS is not set: the folder of Azure's specification files");
const specification = new Specification(folder, 'dps-service-2021-10-01.json');

t.test('every answer of the service API is one of the specification', async (t) => {
  const cloud = await cloudFor(t);
  const agent = new Agent({ host: '127.0.0.1', port: cloud.dps.httpsPort, ca: cloud.ca, servername: 'localhost' });
  t.teardown(() => agent.destroy());
  const call = callerOf(agent, {
    name: 'provisioningserviceowner',
    primaryKey: cloud.dps.serviceConnectionString.split('SharedAccessKey=')[1] ?? '',
  });
  const seen = new Set<string>();
  const check = async <T>(method: string, path: string, id: string, ask: Ask = {}): Promise<Answer<T>> => {
    const answer = await call<T>(method, path.replace('{id}', id), ask);
    const judged = specification.judge(method, path, answer);
    seen.add(judged.case);
    t.strictSame(judged.flaws, [], `${judged.case} ${answer.status}`);
    return answer;
  };

  const line = await makeAuthority('Line 7');
  const leaf = await issue(line, 'dev-x');
  const common = {
    provisioningStatus: 'enabled',
    reprovisionPolicy: { updateHubAssignment: true, migrateDeviceData: false },
    allocationPolicy: 'hashed',
    iotHubs: cloud.hubs.map(({ host }) => host),
    initialTwin: { tags: { line: 7, version: 'two' }, properties: { desired: { interval: 5, deep: { on: true } } } },
    capabilities: { iotEdge: false },
  };
  const individuals = [
    { registrationId: 'dev-k', attestation: { type: 'symmetricKey', symmetricKey: { primaryKey: key('dev-k') } } },
    { registrationId: 'dev-x', attestation: { type: 'x509', x509: { clientCertificates: { primary: { certificate: leaf.cert } } } } },
  ];
  const groups = [
    { enrollmentGroupId: 'keys', attestation: { type: 'symmetricKey', symmetricKey: { primaryKey: key('keys') } } },
    { enrollmentGroupId: 'line', attestation: { type: 'x509', x509: { signingCertificates: { primary: { certificate: line.pem } } } } },
  ];
  const kinds = [
    { path: '/enrollments', member: 'enrollments', ids: ['dev-k', 'dev-x'], items: individuals },
    { path: '/enrollmentGroups', member: 'enrollmentGroups', ids: ['keys', 'line'], items: groups },
  ];
  for (const { path, ids, items } of kinds) {
    for (const [index, id] of ids.entries()) await check('PUT', `${path}/{id}`, id, { body: { ...common, ...items[index] } });
  }
  await register(cloud, 'dev-k', { key: key('dev-k') });
  await register(cloud, 'dev-x', { leaf });
  await register(cloud, 'dev-g', { key: derived(key('keys'), 'dev-g') });
  await cloud.enrolments.putGroup({
    enrollmentGroupId: 'nowhere',
    attestation: { type: 'symmetricKey', symmetricKey: { primaryKey: key('nowhere') } },
    iotHubs: ['none.azure-devices.net'],
  });
  await t.rejects(register(cloud, 'dev-f', { key: derived(key('nowhere'), 'dev-f') }), 'a registration that failed');

  for (const { path, member, ids } of kinds) {
    for (const id of [...ids, 'nobody']) {
      await check('GET', `${path}/{id}`, id);
      await check('POST', `${path}/{id}/attestationmechanism`, id);
    }
    await check('POST', `${path}/query`, '', { body: { query: 'SELECT *' }, headers: { 'x-ms-max-item-count': '1' } });
    await check('POST', `${path}/query`, '', { body: { query: `SELECT * FROM ${member}` } });
    await check('POST', `${path}/query`, '', { body: { query: 'DROP TABLE' } });
  }
  for (const id of ['dev-k', 'dev-x', 'dev-g', 'dev-f', 'nobody']) await check('GET', '/registrations/{id}', id);
  for (const id of ['keys', 'nowhere', 'nobody']) await check('POST', '/registrations/{id}/query', id);

  for (const { path, member, ids, items } of kinds) {
    await check('POST', path, '', { body: { mode: 'create', [member]: items } });
    await check('POST', path, '', { body: { mode: 'update', [member]: items } });
    await check('POST', path, '', { body: { mode: 'replace' } });
    await check('PUT', `${path}/{id}`, ids[0] ?? '', { body: items[0] });
    await check('DELETE', `${path}/{id}`, ids[0] ?? '', { headers: { 'if-match': '"stale"' } });
    await check('DELETE', `${path}/{id}`, ids[0] ?? '');
    await check('GET', `${path}/{id}`, ids[0] ?? '', { authorization: undefined });
  }
  await check('DELETE', '/registrations/{id}', 'dev-k');
  await check('DELETE', '/registrations/{id}', 'dev-k');

  t.strictSame(
    specification.cases.filter((name) => !seen.has(name)),
    [],
    'every answer that the specification names was seen',
  );
});

t.test('the judge sees what is wrong', async (t) => {
  const judge = (body: unknown, status = 200, headers = {}) =>
    specification.judge('GET', '/enrollments/{id}', { status, body, headers }).flaws;
  const good = { registrationId: 'a', attestation: { type: 'tpm', tpm: { endorsementKey: 'x' } } };
  t.strictSame(judge(good), []);
  t.match(judge({ ...good, registrationId: 1 }), [/registrationId must be string/]);
  t.match(judge({ ...good, unknown: 1 }), [/additional properties/]);
  t.match(judge({ ...good, attestation: { type: 'tpm', tpm: {} } }), [/endorsementKey/]);
  t.match(judge({ ...good, createdDateTimeUtc: 'yesterday' }), [/date-time/]);
  t.match(judge({ errorCode: '1' }, 404), [/errorCode must be integer/, /x-ms-error-code is missing/]);
  t.match(judge(good, 201), [/no error/]);
});
