import type { EnrolmentFile } from '@zerotouch/azure-wire/enrolment';
import { LOCAL_ID_SCOPE } from '@zerotouch/azure-wire/ids';
import t from 'tap';
import { issue, makeAuthority, prove } from './certificates.js';
import { cloudFor, derived, key } from './clouds.js';
import { register } from './official-clients.js';

const line = await makeAuthority('Line 7');
const other = await makeAuthority('Line 8');

async function batch(more: Partial<EnrolmentFile> = {}): Promise<EnrolmentFile> {
  return {
    version: 1,
    batch: 'demo',
    idScope: LOCAL_ID_SCOPE,
    certificates: [await prove('line-7', line)],
    enrollmentGroups: [
      { enrollmentGroupId: 'line-7', attestation: { type: 'x509', x509: { caReferences: { primary: 'line-7' } } } },
      {
        enrollmentGroupId: 'keys',
        attestation: { type: 'symmetricKey', symmetricKey: { primaryKey: key('one'), secondaryKey: key('two') } },
      },
    ],
    enrollments: [{ registrationId: 'single', attestation: { type: 'symmetricKey', symmetricKey: { primaryKey: key('own') } } }],
    ...more,
  };
}

t.test('a batch is taken, and taken again', async (t) => {
  const cloud = await cloudFor(t);
  const file = await batch();
  t.strictSame(await cloud.import(file), { batch: 'demo', certificates: 1, created: 3, updated: 0, unchanged: 0 });
  t.strictSame(await cloud.import(file), { batch: 'demo', certificates: 1, created: 0, updated: 0, unchanged: 3 });
  const [first, ...rest] = file.enrollmentGroups;
  if (first === undefined) throw new Error('no group');
  t.match(await cloud.import({ ...file, enrollmentGroups: [{ ...first, provisioningStatus: 'disabled' }, ...rest] }), {
    updated: 1,
    unchanged: 2,
  });
  await cloud.import(file);
  t.equal((await register(cloud, 'dev-1', { leaf: await issue(line, 'dev-1') })).status, 'assigned');
  t.equal((await register(cloud, 'dev-2', { key: derived(key('one'), 'dev-2') })).status, 'assigned');
  t.equal((await register(cloud, 'single', { key: key('own') })).status, 'assigned');
});

t.test('a batch is refused as a whole, by name of what is wrong', async (t) => {
  const cloud = await cloudFor(t);
  const good = await batch();
  const forged = await prove('line-7', line, other);
  const proof = await prove('line-7', line);
  const leaf = await issue(line, 'no-ca');
  const code = 'ABC';
  const noCa = { name: 'no-ca', certificate: leaf.cert, verification: { code, certificate: (await issue(line, code)).cert } };
  const wrongs: [object, string, RegExp][] = [
    [{ idScope: '0ne0000FFFF' }, 'ID_SCOPE_MISMATCH', /0ne0000FFFF.*0ne00000A1B/],
    [{ certificates: [forged] }, 'CERTIFICATE_UNPROVED', /"line-7".*not signed by the CA/],
    [
      { certificates: [{ ...proof, verification: { ...proof.verification, code: 'OTHER' } }] },
      'CERTIFICATE_UNPROVED',
      /"line-7".*common name/,
    ],
    [{ certificates: [noCa] }, 'CERTIFICATE_UNPROVED', /"no-ca".*no CA/],
    [{ certificates: [{ ...proof, certificate: 'rubbish' }] }, 'CERTIFICATE_UNREADABLE', /"line-7"/],
    [{ certificates: [] }, 'CERTIFICATE_UNKNOWN', /"line-7"/],
    [{ version: 2 }, 'BAD_ENROLMENT', /version/],
    [{ surprise: true }, 'BAD_ENROLMENT', /surprise/],
    [
      { enrollments: [{ registrationId: 'a b', attestation: good.enrollments[0]?.attestation }] },
      'BAD_ENROLMENT',
      /enrollments > 0 > registrationId/,
    ],
    [
      { enrollments: [{ registrationId: 'a', attestation: { type: 'symmetricKey', symmetricKey: { primaryKey: 'c2hvcnQ=' } } }] },
      'BAD_ENROLMENT',
      /primaryKey.*5 bytes/,
    ],
    [{ enrollments: [{ ...good.enrollments[0], allocationPolicy: 'static' }] }, 'BAD_ENROLMENT', /iotHubs.*exactly one hub/],
    [{ enrollments: [{ ...good.enrollments[0], initialTwin: { tags: { 'a.b': 1 } } }] }, 'BAD_ENROLMENT', /initialTwin.*a\.b/],
  ];
  for (const [change, code, message] of wrongs) {
    await t.rejects(cloud.import({ ...good, ...change } as EnrolmentFile), { code, message }, JSON.stringify(Object.keys(change)));
  }
  t.strictSame(await cloud.enrolments.groups(), []);
  t.strictSame(await cloud.enrolments.individuals(), []);
});

t.test('enrolments are written, read, guarded by their etag, and deleted', async (t) => {
  const cloud = await cloudFor(t);
  const { enrolments } = cloud;
  const written = await enrolments.putIndividual({ registrationId: 'Dev-1', attestation: { type: 'symmetricKey', symmetricKey: {} } });
  t.match(written, { registrationId: 'Dev-1', etag: /^"/, createdDateTimeUtc: /Z$/ });
  t.strictSame(await enrolments.getIndividual('dev-1'), written);
  const changed = await enrolments.putIndividual({ ...written, provisioningStatus: 'disabled' });
  t.not(changed.etag, written.etag);
  t.equal(changed.createdDateTimeUtc, written.createdDateTimeUtc);
  await t.rejects(enrolments.putIndividual({ ...written, provisioningStatus: 'enabled' }), { code: 'ETAG_MISMATCH' });
  t.equal(await enrolments.deleteIndividual('DEV-1'), true);
  t.equal(await enrolments.deleteIndividual('DEV-1'), false);
  t.equal(await enrolments.getIndividual('dev-1'), undefined);
  await enrolments.putGroup({ enrollmentGroupId: 'g', attestation: { type: 'symmetricKey', symmetricKey: {} } });
  t.match(await enrolments.getGroup('g'), { enrollmentGroupId: 'g' });
  t.equal(await enrolments.deleteGroup('g'), true);
  await t.rejects(enrolments.putCertificate({ name: 'x', certificate: (await issue(line, 'x')).cert }), { code: 'CERTIFICATE_UNPROVED' });
});
