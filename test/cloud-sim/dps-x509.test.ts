import { X509Certificate } from 'node:crypto';
import type { Cloud } from '@zerotouch/cloud-sim/cloud';
import t from 'tap';
import { type Authority, issue, makeAuthority, prove, withChain } from './certificates.js';
import { cloudFor, key, lastAttempt } from './clouds.js';
import { register } from './official-clients.js';

const root = await makeAuthority('Root');
const line = await makeAuthority('Line 7', root);
const otherRoot = await makeAuthority('Other root');
const otherLine = await makeAuthority('Line 8', otherRoot);

async function group(
  cloud: Cloud,
  enrollmentGroupId: string,
  authority: Authority,
  more: { proved?: boolean; disabled?: boolean } = {},
): Promise<void> {
  const { verification, ...certificate } = await prove(enrollmentGroupId, authority);
  await cloud.enrolments.putCertificate(more.proved === false ? certificate : { ...certificate, verification });
  await cloud.enrolments.putGroup({
    enrollmentGroupId,
    attestation: { type: 'x509', x509: { caReferences: { primary: enrollmentGroupId } } },
    provisioningStatus: more.disabled === true ? 'disabled' : 'enabled',
  });
}

function print(pem: string): string {
  return new X509Certificate(pem).fingerprint256.replaceAll(':', '');
}

t.test('a device of a group is assigned by its leaf', async (t) => {
  const leaf = await issue(line, 'dev-1');
  const cloud = await cloudFor(t);

  await t.test('the line is in DPS with its proof: the leaf alone is enough', async (t) => {
    await group(cloud, 'line-7', line);
    const result = await register(cloud, 'dev-1', { leaf });
    t.match(result, { status: 'assigned', deviceId: 'dev-1', substatus: 'initialAssignment' });
    t.match(await cloud.hub(result.assignedHub).devices(), [{ deviceId: 'dev-1', authentication: 'selfSigned' }]);
    t.match(await cloud.registrations(), [
      {
        x509: {
          enrollmentGroupId: 'line-7',
          certificateInfo: { subjectName: 'CN=dev-1', sha256Thumbprint: print(leaf.cert), issuerName: 'CN=Line 7', version: 3 },
          signingCertificateInfo: { subjectName: 'CN=Line 7', sha256Thumbprint: print(line.pem), issuerName: 'CN=Root' },
        },
      },
    ]);
  });

  await t.test('the root is in DPS: the leaf with its intermediate', async (t) => {
    const cloud = await cloudFor(t);
    await group(cloud, 'plant', root);
    t.equal((await register(cloud, 'dev-1', { leaf: withChain(leaf, line) })).status, 'assigned');
  });

  await t.test('the line is in the group only, the root is proved', async (t) => {
    const cloud = await cloudFor(t);
    await cloud.enrolments.putCertificate(await prove('plant', root));
    await cloud.enrolments.putGroup({
      enrollmentGroupId: 'line-7',
      attestation: { type: 'x509', x509: { signingCertificates: { primary: { certificate: Buffer.from(line.pem).toString('base64') } } } },
    });
    await t.rejects(register(cloud, 'dev-1', { leaf }), { name: 'UnauthorizedError' });
    t.match(await lastAttempt(cloud, 'dev-1'), { reason: { rule: 'x509-chain-gap', text: /Line 7.*was not sent/ } });
    t.equal((await register(cloud, 'dev-1', { leaf: withChain(leaf, line) })).status, 'assigned');
  });
});

t.test('the group of the nearest issuer decides', async (t) => {
  const cloud = await cloudFor(t);
  await group(cloud, 'plant', root);
  await group(cloud, 'line-7', line);
  const leaf = withChain(await issue(line, 'dev-1'), line, root);
  await register(cloud, 'dev-1', { leaf });
  t.match(await cloud.registrations(), [{ x509: { enrollmentGroupId: 'line-7' } }]);

  await group(cloud, 'line-7', line, { disabled: true });
  await t.rejects(register(cloud, 'dev-1', { leaf }), { name: 'UnauthorizedError' });
  t.match(await lastAttempt(cloud, 'dev-1'), {
    wire: { status: 401, errorCode: 401002 },
    reason: { rule: 'enrolment-disabled', text: /line-7/ },
  });
});

t.test('an individual enrolment decides before any group', async (t) => {
  const cloud = await cloudFor(t);
  await group(cloud, 'line-7', line);
  const [leaf, renewed] = await Promise.all([issue(line, 'dev-1'), issue(line, 'dev-1')]);
  const enrolment = {
    registrationId: 'dev-1',
    deviceId: 'pump-north',
    attestation: { type: 'x509' as const, x509: { clientCertificates: { primary: { certificate: leaf.cert } } } },
  };
  await cloud.enrolments.putIndividual(enrolment);
  t.match(await register(cloud, 'dev-1', { leaf }), { deviceId: 'pump-north' });

  await t.rejects(register(cloud, 'dev-1', { leaf: renewed }), { name: 'UnauthorizedError' });
  t.match(await lastAttempt(cloud, 'dev-1'), {
    wire: { status: 401, errorCode: 401002 },
    reason: { rule: 'x509-other-certificate', seen: `thumbprint ${print(renewed.cert)}`, expected: `thumbprint ${print(leaf.cert)}` },
  });

  await cloud.enrolments.putIndividual({ ...enrolment, provisioningStatus: 'disabled' });
  await t.rejects(register(cloud, 'dev-1', { leaf }), { name: 'UnauthorizedError' });
  t.match(await lastAttempt(cloud, 'dev-1'), {
    wire: { status: 401, errorCode: 401002 },
    reason: { rule: 'enrolment-disabled', text: /individual/ },
  });

  await cloud.enrolments.putIndividual({
    registrationId: 'dev-1',
    attestation: { type: 'symmetricKey', symmetricKey: { primaryKey: key('own') } },
  });
  await t.rejects(register(cloud, 'dev-1', { leaf }), { name: 'UnauthorizedError' });
  t.match(await lastAttempt(cloud, 'dev-1'), { reason: { rule: 'attestation-kind' } });
});

t.test('refusals', async (t) => {
  const cloud = await cloudFor(t);
  await group(cloud, 'line-7', line);
  const refusal = async (id: string, leaf: { cert: string; key: string }) => {
    await t.rejects(register(cloud, id, { leaf }), { name: 'UnauthorizedError' });
    const attempt = await lastAttempt(cloud, id);
    t.match(attempt, { outcome: 'refused', wire: { status: 401, errorCode: 401002 } });
    return attempt.reason;
  };

  t.match(await refusal('other-1', await issue(otherLine, 'other-1')), { rule: 'x509-chain-gap', text: /Line 8/ });
  t.match(await refusal('other-2', withChain(await issue(otherLine, 'other-2'), otherLine, otherRoot)), {
    rule: 'no-enrolment',
    seen: /Line 8.*Other root/,
    expected: /line-7 \(CN=Line 7\)/,
  });

  const impostor = await makeAuthority('Line 7', otherRoot);
  t.match(await refusal('impostor', await issue(impostor, 'impostor')), { rule: 'x509-same-name', nearest: /line-7.*another key/ });

  const past = { notBefore: new Date(Date.now() - 2 * 86_400_000), notAfter: new Date(Date.now() - 86_400_000) };
  t.match(await refusal('old', await issue(line, 'old', past)), { rule: 'x509-expired' });
  const future = { notBefore: new Date(Date.now() + 86_400_000) };
  t.match(await refusal('early', await issue(line, 'early', future)), { rule: 'x509-not-yet-valid' });

  t.match(await refusal('dev-1', await issue(line, 'dev-2')), { rule: 'x509-common-name', seen: 'dev-2', expected: 'dev-1' });

  await group(cloud, 'plant', root);
  await cloud.enrolments.deleteGroup('line-7');
  await cloud.enrolments.deleteCertificate('line-7');
  t.match(await refusal('short', await issue(line, 'short')), { rule: 'x509-chain-gap', seen: /leaf alone/, remedy: /send the chain/ });

  const noCa = await makeAuthority('No CA', root, { ca: false });
  t.match(await refusal('no-ca', withChain(await issue(noCa, 'no-ca'), noCa)), { rule: 'x509-chain-invalid', text: /No CA/ });

  const expiredLine = await makeAuthority('Old line', root, past);
  t.match(await refusal('old-line', withChain(await issue(expiredLine, 'old-line'), expiredLine)), {
    rule: 'x509-ca-expired',
    text: /expired/,
  });

  const shallow = await makeAuthority('Shallow', root, { pathLength: 0 });
  const deeper = await makeAuthority('Deeper', shallow);
  t.match(await refusal('deep', withChain(await issue(deeper, 'deep'), deeper, shallow)), {
    rule: 'x509-chain-invalid',
    text: /Shallow.*allows 0/,
  });

  for (const { host } of cloud.hubs) t.strictSame(await cloud.hub(host).devices(), []);
});

t.test('a CA without proof of possession lets nobody in', async (t) => {
  const cloud = await cloudFor(t);
  const leaf = withChain(await issue(line, 'dev-1'), line, root);
  await group(cloud, 'plant', root, { proved: false });
  await t.rejects(register(cloud, 'dev-1', { leaf }), { name: 'UnauthorizedError' });
  t.match(await lastAttempt(cloud, 'dev-1'), {
    wire: { status: 401, errorCode: 401002 },
    reason: { rule: 'x509-no-proof', text: /plant/, seen: 'CN=Root' },
  });

  await cloud.enrolments.deleteGroup('plant');
  await cloud.enrolments.putGroup({
    enrollmentGroupId: 'line-7',
    attestation: { type: 'x509', x509: { signingCertificates: { primary: { certificate: line.pem } } } },
  });
  await t.rejects(register(cloud, 'dev-1', { leaf: await issue(line, 'dev-1') }), { name: 'UnauthorizedError' });
  t.match(await lastAttempt(cloud, 'dev-1'), { reason: { rule: 'x509-no-proof', text: /line-7/ } });

  await cloud.enrolments.putCertificate(await prove('plant', root));
  t.equal((await register(cloud, 'dev-1', { leaf })).status, 'assigned');
});
