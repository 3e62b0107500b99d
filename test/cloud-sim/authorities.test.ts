import t from 'tap';
import { issue, makeAuthority, prove } from './certificates.js';
import { cloudFor, lastAttempt } from './clouds.js';
import { ManualClock } from './manual-clock.js';
import { register } from './official-clients.js';

const line = await makeAuthority('Line 7');
const other = await makeAuthority('Line 8');
const group = { enrollmentGroupId: 'line-7', attestation: { type: 'x509' as const, x509: { caReferences: { primary: 'line-7' } } } };

t.test('a CA is uploaded, a code is asked for, its possession is proved, and then it lets devices in', async (t) => {
  const cloud = await cloudFor(t);
  const { certificates } = cloud;
  const leaf = await issue(line, 'dev-1');
  const uploaded = await certificates.upload('line-7', line.pem);
  t.match(uploaded, {
    name: 'line-7',
    subject: 'CN=Line 7',
    isVerified: false,
    isExpired: false,
    expiry: /Z$/,
    etag: /^AAAA.*=$/,
    thumbprint: /^[0-9A-F]{64}$/,
  });
  await cloud.enrolments.putGroup(group);
  await t.rejects(register(cloud, 'dev-1', { leaf }));
  t.match(await lastAttempt(cloud, 'dev-1'), { reason: { rule: 'x509-no-proof' } });

  await t.rejects(certificates.verify('line-7', leaf.cert), {
    code: 'CERTIFICATE_UNPROVED',
    message: /no verification code was asked for/,
  });
  const first = await certificates.generateVerificationCode('line-7', uploaded.etag);
  t.match(first.verificationCode, /^[0-9A-F]{48}$/);
  const { verificationCode: code } = await certificates.generateVerificationCode('line-7');
  t.not(code, first.verificationCode);
  await t.rejects(certificates.verify('line-7', (await issue(line, first.verificationCode)).cert), {
    code: 'CERTIFICATE_UNPROVED',
    message: /another common name/,
  });
  await t.rejects(certificates.verify('line-7', (await issue(other, code)).cert), {
    code: 'CERTIFICATE_UNPROVED',
    message: /not signed by the CA/,
  });
  t.match(await certificates.verify('line-7', (await issue(line, code)).cert), { isVerified: true, verificationCode: undefined });
  t.equal((await register(cloud, 'dev-1', { leaf })).status, 'assigned');

  t.match(await certificates.upload('line-7', line.pem), { isVerified: true }, 'the same certificate stays verified');
  t.match(await certificates.upload('line-7', other.pem), { isVerified: false, created: uploaded.created }, 'another one does not');
  t.match(await certificates.upload('line-7', line.pem, { isVerified: true }), { isVerified: true }, 'as Azure allows');
});

t.test('names, etags, limits', async (t) => {
  const cloud = await cloudFor(t, { limits: { certificateAuthorities: 2 } });
  const { certificates } = cloud;
  const { etag } = await certificates.upload('a', line.pem);
  await certificates.upload('a', line.pem);
  const stale: (() => Promise<unknown>)[] = [
    () => certificates.upload('a', line.pem, { etag }),
    () => certificates.generateVerificationCode('a', etag),
    () => certificates.verify('a', line.pem, etag),
    () => certificates.delete('a', etag),
  ];
  for (const call of stale) await t.rejects(call(), { code: 'ETAG_MISMATCH' });
  await cloud.enrolments.putCertificate(await prove('b', other));
  await t.rejects(certificates.upload('c', line.pem), { code: 'LIMIT_REACHED' });
  await t.rejects(cloud.enrolments.putCertificate(await prove('c', other)), { code: 'LIMIT_REACHED' });
  t.match(await certificates.list(), [
    { name: 'a', isVerified: false },
    { name: 'b', isVerified: true },
  ]);
  await t.rejects(certificates.generateVerificationCode('z'), { code: 'CERTIFICATE_UNKNOWN' });
  await t.rejects(certificates.upload('z', (await issue(line, 'leaf')).cert), { code: /CERTIFICATE_UNPROVED|LIMIT_REACHED/ });
  t.equal(await certificates.delete('a', '*'), true);
  t.equal(await certificates.delete('a'), false);
  t.equal(await certificates.get('a'), undefined);
});

t.test('a CA that expires lets nobody in any more, and shows it', async (t) => {
  const clock = new ManualClock(Date.now());
  const cloud = await cloudFor(t, { clock });
  const short = await makeAuthority('Short', undefined, { notAfter: new Date(Date.now() + 3_600_000) });
  await cloud.certificates.upload('line-7', short.pem, { isVerified: true });
  await cloud.enrolments.putGroup(group);
  const leaf = await issue(short, 'dev-1');
  t.equal((await register(cloud, 'dev-1', { leaf })).status, 'assigned');
  clock.advance(2 * 3_600_000);
  t.match(await cloud.certificates.get('line-7'), { isExpired: true, isVerified: true });
  await t.rejects(register(cloud, 'dev-1', { leaf }));
  t.match(await lastAttempt(cloud, 'dev-1'), { reason: { rule: 'x509-ca-expired', text: /Short.*expired/ } });
});
