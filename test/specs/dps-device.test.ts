import t from 'tap';
import { issue, makeAuthority, prove } from '../cloud-sim/certificates.js';
import { cloudFor, derived, key, keyGroup } from '../cloud-sim/clouds.js';
import { register } from '../cloud-sim/official-clients.js';
import { Specification } from './swagger.js';

const folder = process.env.ZT_AZURE_SPECS;
if (folder === undefined || folder === '') throw new Error("ZT_AZURE_SPECS is not set: the folder of Azure's specification files");
const specification = new Specification(folder, 'dps-device-2021-10-01.derived.json');

t.test('what a device is told of its registration is of the specified type', async (t) => {
  const cloud = await cloudFor(t);
  const line = await makeAuthority('Line 7');
  const leaf = await issue(line, 'dev-group');
  const own = await issue(line, 'dev-own');
  await cloud.enrolments.putCertificate(await prove('line-7', line));
  await cloud.enrolments.putGroup({
    enrollmentGroupId: 'line-7',
    attestation: { type: 'x509', x509: { caReferences: { primary: 'line-7' } } },
  });
  await cloud.enrolments.putIndividual({
    registrationId: 'dev-own',
    attestation: { type: 'x509', x509: { clientCertificates: { primary: { certificate: own.cert } } } },
  });
  await keyGroup(cloud, 'keys', key('keys'));
  await register(cloud, 'dev-group', { leaf });
  await register(cloud, 'dev-own', { leaf: own });
  await register(cloud, 'dev-key', { key: derived(key('keys'), 'dev-key') });
  const states = await cloud.registrations();
  t.equal(states.length, 3);
  for (const state of states) {
    t.strictSame(specification.flawsOf('DeviceRegistrationResult', state), [], state.registrationId);
    if (state.x509 === undefined) continue;
    t.strictSame(specification.flawsOf('X509RegistrationResult', state.x509), [], state.registrationId);
    t.strictSame(Object.keys(state.x509.certificateInfo ?? {}).length, 8);
  }
});
