import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { managementClients, managerOf } from '../cloud-sim/arm/manager.js';
import { issue, makeAuthority } from '../cloud-sim/certificates.js';
import { cloudFor, derived, key } from '../cloud-sim/clouds.js';
import { register } from '../cloud-sim/official-clients.js';
import { lastLine, run } from './support/command.js';
import { verbsOver } from './support/verbs.js';

interface Link {
  name: string;
  allocationWeight: number;
  connectionString: string;
}

const GROUP_KEY = key('line 7');

t.test('the spread of devices follows what zerotouch dps linked-hub update says', async (t) => {
  const cloud = await cloudFor(t);
  const { zt, folder } = verbsOver(t, cloud);
  const links = await zt<Link[]>('dps', 'linked-hub', 'list');
  const [, ours] = await Promise.all([
    links,
    (await managerOf(t, cloud)).call<{ value: { properties: { iotHubs: Link[] } }[] }>('GET', service),
  ]);
  t.strictSame(links, ours.body.value[0]?.properties.iotHubs, 'what the resource manager answers, and in that order');
  t.match(links, [{ connectionString: /SharedAccessKey=\*\*\*\*$/ }, {}, {}], 'keys masked');
  const [hub = ''] = links.map(({ name }) => name);

  writeFileSync(join(folder, 'key'), GROUP_KEY);
  await zt('dps', 'enrollment-group', 'create', '--eid', 'line-7', '--pk', `@${join(folder, 'key')}`, '--initial-twin-tags', '{"line":7}');
  const spread = async (prefix: string): Promise<string[]> => {
    const ids = Array.from({ length: 8 }, (_, n) => `${prefix}-${n}`);
    const found = await Promise.all(ids.map((id) => register(cloud, id, { key: derived(GROUP_KEY, id) })));
    return [...new Set(found.map(({ assignedHub }) => assignedHub))];
  };
  for (const { name } of links.slice(1)) await zt('dps', 'linked-hub', 'update', '--linked-hub', name, '--allocation-weight', '0');
  t.strictSame(await spread('first'), [hub]);
  const other = links[1]?.name ?? '';
  t.match(await zt('dps', 'linked-hub', 'update', '--linked-hub', other.split('.')[0] ?? '', '--allocation-weight', '5'), {
    name: other,
    allocationWeight: 5,
  });
  await zt(
    'dps',
    'linked-hub',
    'update',
    '--dps-name',
    'ZEROTOUCH',
    '-g',
    'zerotouch',
    '--linked-hub',
    hub,
    '--apply-allocation-policy',
    'no',
  );
  t.strictSame(await spread('second'), [other]);
  const registered = await zt<object[]>('dps', 'enrollment-group', 'registration', 'list', '--group-id', 'line-7');
  t.equal(registered.length, 16);
  t.match(await zt('dps', 'enrollment-group', 'registration', 'show', '--rid', 'first-0'), { status: 'assigned', assignedHub: hub });
  await zt('dps', 'enrollment-group', 'registration', 'delete', '--rid', 'first-0');
  t.equal((await zt<object[]>('dps', 'enrollment-group', 'registration', 'list', '--eid', 'line-7', '--top', '9')).length, 9);
  t.equal(await zt('dps', 'enrollment-group', 'compute-device-key', '--eid', 'line-7', '--rid', 'x'), derived(GROUP_KEY, 'x'));

  // The command itself, as users run it.
  const told = await run(folder, 'dps', 'linked-hub', 'delete', '--linked-hub', other, '--json');
  t.equal(told.stdout.split('\n').length, 2);
  t.equal((lastLine(told) as unknown as Link[]).length, 2);
  const refused = await run(folder, 'dps', 'linked-hub', 'show', '--linked-hub', other);
  t.match(refused, { code: 2, stdout: '', stderr: /^zerotouch: [^\n]*no hub of this name is linked[^\n]*\n$/ });
});

const service = '/subscriptions/3f0c1a52-6f1e-4d0b-9a3e-0d5c7b1e8a01/providers/Microsoft.Devices/provisioningServices';

t.test('a DPS of its own: made, linked by name and by connection string, given policies, deleted', async (t) => {
  const cloud = await cloudFor(t);
  const { zt, folder } = verbsOver(t, cloud);
  const made = await zt('dps', 'create', '--name', 'line-dps', '--tags', 'line=7');
  t.match(made, { name: 'line-dps', tags: { line: '7' }, properties: { state: 'Active', idScope: /^0ne/, authorizationPolicies: null } });
  await t.rejects(zt('dps', 'create', '-n', 'line-dps'), { code: 'NAME_TAKEN' });
  await t.rejects(zt('dps', 'linked-hub', 'list'), { code: 'UNKNOWN_RESOURCE', message: /--dps-name.*line-dps/ }, 'two, and none is named');
  const on = ['--dps-name', 'line-dps'];
  await zt('hub', 'create', '-n', 'line-hub', '--sku', 'S2', '--unit', '3', '-l', 'eastus');
  await t.rejects(zt('dps', 'linked-hub', 'create', ...on), { code: 'NO_HUB' });
  await t.rejects(zt('dps', 'linked-hub', 'create', ...on, '--connection-string', 'HostName=x'), { code: 'SECRET_FORM' });
  const linked = await zt('dps', 'linked-hub', 'create', ...on, '--hub-name', 'line-hub', '--allocation-weight', '0');
  t.match(linked, [{ name: 'line-hub.azure-devices.net', location: 'eastus', allocationWeight: 0, connectionString: /=\*\*\*\*$/ }]);
  const weak = join(folder, 'weak');
  const { connectionString } = await zt<{ connectionString: string }>(
    ...['hub', 'show-connection-string', '-n', 'hub-weu', '--policy-name', 'registryRead'],
  );
  writeFileSync(weak, connectionString);
  const refused = zt('dps', 'linked-hub', 'create', ...on, '--connection-string', `@${weak}`);
  await t.rejects(refused, { code: 'CALL_REFUSED', message: /lacks RegistryWrite, ServiceConnect/ });

  t.match(await zt('dps', 'policy', 'create', '-n', 'line-dps', '--pn', 'reader', '-r', 'EnrollmentRead'), { keyName: 'reader' });
  const updated = await zt('dps', 'policy', 'update', '-n', 'line-dps', '--pn', 'reader', '-r', 'EnrollmentRead', 'EnrollmentWrite');
  t.match(updated, { rights: 'EnrollmentRead, EnrollmentWrite', primaryKey: String });
  t.match(await zt('dps', 'policy', 'delete', '-n', 'line-dps', '--pn', 'reader'), [{ keyName: 'provisioningserviceowner' }]);
  await t.rejects(zt('dps', 'policy', 'show', '-n', 'line-dps', '--pn', 'reader'), { code: 'UNKNOWN_POLICY' });

  const moved = await zt('dps', 'update', '-n', 'line-dps', '--set', 'properties.allocationPolicy=GeoLatency');
  t.match(moved, { tags: { line: '7' }, properties: { allocationPolicy: 'GeoLatency', iotHubs: [{ allocationWeight: 0 }] } });
  const { dps } = await managementClients(t, cloud);
  t.match(await dps.iotDpsResource.get('line-dps', 'zerotouch'), { properties: { allocationPolicy: 'GeoLatency' } });
  t.equal(await zt('dps', 'delete', '-n', 'line-dps'), undefined);
  await t.rejects(zt('dps', 'show', '-n', 'line-dps'), { code: 'UNKNOWN_RESOURCE' });
});

for (const [kind = '', ...owner] of [['dps'], ['hub', '--hub-name', 'hub-weu']]) {
  t.test(`a CA certificate of a ${kind}: uploaded and proved`, async (t) => {
    const { zt, folder } = verbsOver(t, await cloudFor(t));
    const root = await makeAuthority('Line root');
    const [rootFile, proofFile] = [join(folder, 'root.pem'), join(folder, 'proof.pem')];
    writeFileSync(rootFile, root.pem);
    interface Certificate {
      etag: string;
      properties: { verificationCode: string };
    }
    const certificate = <T>(verb: string, ...args: string[]) => zt<T>(kind, 'certificate', verb, ...owner, '-n', 'root', ...args);
    const { etag } = await certificate<Certificate>('create', '-p', rootFile);
    await t.rejects(certificate('create', '-p', rootFile), { code: 'NAME_TAKEN' });
    await t.rejects(certificate('update', '-p', join(folder, 'none.pem'), '-e', etag), { code: 'CERTIFICATE_MISSING' });
    const coded = await certificate<Certificate>('generate-verification-code', '-e', etag);
    writeFileSync(proofFile, (await issue(root, coded.properties.verificationCode)).cert);
    await t.rejects(certificate('verify', '-p', proofFile, '-e', etag), { code: 'CALL_REFUSED', message: /412 PreconditionFailed/ });
    const verified = await certificate<Certificate>('verify', '-p', proofFile, '-e', coded.etag);
    t.match(verified, { resourceGroup: 'zerotouch', properties: { isVerified: true, subject: 'CN=Line root' } });
    t.match(await zt(kind, 'certificate', 'list', ...owner), { value: [{ name: 'root' }] });

    if (kind === 'hub') return;
    const group = await zt('dps', 'enrollment-group', 'create', '--eid', 'x', '--ca-name', 'root', '--rp', 'never', '--ee');
    t.match(group, {
      attestation: { type: 'x509', x509: { caReferences: { primary: 'root' } } },
      reprovisionPolicy: { updateHubAssignment: false, migrateDeviceData: false },
      capabilities: { iotEdge: true },
    });
    t.match(await zt('dps', 'enrollment-group', 'list'), [{ enrollmentGroupId: 'x' }]);
    await zt('dps', 'enrollment-group', 'delete', '--eid', 'x');
    t.equal(await certificate('delete', '-e', verified.etag), undefined);
  });
}

t.test('individual enrolments: their keys stay what they are when something else changes', async (t) => {
  const { zt, folder } = verbsOver(t, await cloudFor(t));
  const enrolment = <T>(verb: string, ...args: string[]) => zt<T>('dps', 'enrollment', verb, '--enrollment-id', 'pump-1', ...args);
  await enrolment('create', '--at', 'symmetricKey', '--device-id', 'pump', '--props', '{"a":1}');
  const keys = () => enrolment<{ attestation: { symmetricKey: object } }>('show', '--show-keys');
  const before = await keys();
  t.match(before.attestation.symmetricKey, { primaryKey: String });
  const shown = await enrolment<{ etag: string }>('show');
  t.strictSame((shown as unknown as { attestation: object }).attestation, { type: 'symmetricKey' });
  const changed = await enrolment(
    'update',
    '--etag',
    shown.etag,
    '--ps',
    'disabled',
    '--tags',
    '{"line":7}',
    '--ih',
    'hub-weu.azure-devices.net',
  );
  t.match(changed, {
    deviceId: 'pump',
    provisioningStatus: 'disabled',
    iotHubs: ['hub-weu.azure-devices.net'],
    initialTwin: { tags: { line: 7 }, properties: { desired: { a: 1 } } },
  });
  t.strictSame((await keys()).attestation, before.attestation);
  await t.rejects(enrolment('update', '--etag', shown.etag, '--ps', 'enabled'), { code: 'CALL_REFUSED' }, 'it has changed since');
  await t.rejects(zt('dps', 'enrollment', 'registration', 'show', '--enrollment-id', 'pump-1'), { code: 'CALL_REFUSED' });
  await t.rejects(zt('dps', 'enrollment', 'create', '--eid', 'y', '--at', 'tpm'), { code: 'NO_ATTESTATION' });

  const { connectionString } = await zt<{ connectionString: string }>('dps', 'connection-string', 'show', '-n', 'zerotouch');
  writeFileSync(join(folder, 'login'), connectionString);
  t.match(await zt('dps', 'enrollment', 'list', '--login', `@${join(folder, 'login')}`), [{ registrationId: 'pump-1' }]);
  t.equal(await enrolment('delete'), undefined);
  t.strictSame(await zt('dps', 'enrollment', 'list'), []);
});
