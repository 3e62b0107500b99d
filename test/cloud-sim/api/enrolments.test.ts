import t from 'tap';
import { issue, makeAuthority, prove } from '../certificates.js';
import { key } from '../clouds.js';
import { type Mechanism, openDesk } from './desk.js';

const symmetric = (registrationId: string, more: object = {}) => ({
  registrationId,
  attestation: { type: 'symmetricKey', symmetricKey: { primaryKey: key('one'), secondaryKey: key('two') } },
  ...more,
});

t.test('an enrolment is made, read, changed and deleted', async (t) => {
  const { call } = await openDesk(t);
  const made = await call('PUT', '/enrollments/Dev-1', { body: symmetric('Dev-1', { deviceId: 'board' }) });
  t.equal(made.status, 200);
  t.match(made.headers['content-type'], /^application\/json; charset=utf-8$/);
  t.match(made.body, {
    registrationId: 'Dev-1',
    deviceId: 'board',
    provisioningStatus: 'enabled',
    etag: /^"/,
    createdDateTimeUtc: /\.\d{7}Z$/,
  });
  t.notMatch(JSON.stringify(made.body), key('one'));

  t.strictSame((await call('GET', '/enrollments/dev-1')).body, made.body, 'ids ignore case');
  t.strictSame((await call('GET', '/ENROLLMENTS/dev-1/')).body, made.body, 'paths ignore case');
  const mechanism = await call<Mechanism>('POST', '/enrollments/dev-1/attestationmechanism');
  t.strictSame(mechanism.body, { type: 'symmetricKey', symmetricKey: { primaryKey: key('one'), secondaryKey: key('two') } });

  const changed = await call('PUT', '/enrollments/dev-1', {
    body: { ...made.body, provisioningStatus: 'disabled' },
    headers: { 'if-match': made.body.etag },
  });
  t.match(changed, { status: 200, body: { provisioningStatus: 'disabled', createdDateTimeUtc: made.body.createdDateTimeUtc } });
  t.not(changed.body.etag, made.body.etag);
  t.strictSame(
    (await call<Mechanism>('POST', '/enrollments/dev-1/attestationmechanism')).body,
    mechanism.body,
    'keys that were not sent stay',
  );

  t.match(await call('DELETE', '/enrollments/dev-1', { headers: { 'if-match': made.body.etag } }), { status: 412 });
  t.match(await call('DELETE', '/enrollments/dev-1', { headers: { 'if-match': changed.body.etag } }), { status: 204, body: undefined });
  const gone = await call('GET', '/enrollments/dev-1');
  t.match(gone, { status: 404, headers: { 'x-ms-error-code': '404201' }, body: { errorCode: 404201, trackingId: /^[\da-f-]{36}$/ } });
  t.match(await call('DELETE', '/enrollments/dev-1'), { status: 404 });
});

t.test('etags', async (t) => {
  const { call } = await openDesk(t);
  const body = symmetric('dev-1');
  t.match(await call('PUT', '/enrollments/dev-1', { body, headers: { 'if-match': '*' } }), { status: 412 }, 'nothing there to match');
  const { etag } = (await call('PUT', '/enrollments/dev-1', { body })).body;
  t.match(await call('PUT', '/enrollments/dev-1', { body }), { status: 409, body: { errorCode: 409203 } }, 'no If-Match only creates');
  t.match(await call('PUT', '/enrollments/dev-1', { body: { ...body, etag } }), { status: 409 }, 'an etag in the body is no condition');
  const bare = etag.replaceAll('"', '');
  for (const [index, match] of [etag, bare, `"${bare}"`, `"\\"${bare}\\""`, `W/"${bare}"`].entries()) {
    // Every second write changes something back, so that each is a real one.
    const deviceId = `board-${index}`;
    const before = (await call('GET', '/enrollments/dev-1')).body.etag.replaceAll('"', '');
    const answer = await call('PUT', '/enrollments/dev-1', {
      body: { ...body, deviceId },
      headers: { 'if-match': match.replace(bare, before) },
    });
    t.match(answer, { status: 200, body: { deviceId } }, match);
  }
  t.match(await call('PUT', '/enrollments/dev-1', { body, headers: { 'if-match': bare } }), { status: 412, body: { errorCode: 412001 } });
  t.match(await call('PUT', '/enrollments/dev-1', { body, headers: { 'if-match': '"*"' } }), { status: 200 });
});

t.test('only one of two writers wins', async (t) => {
  const { call } = await openDesk(t);
  const creating = await Promise.all(
    [1, 2, 3, 4].map((n) => call('PUT', '/enrollments/dev-1', { body: symmetric('dev-1', { deviceId: `b${n}` }) })),
  );
  t.strictSame(creating.map(({ status }) => status).sort(), [200, 409, 409, 409]);
  const { etag } = (await call('GET', '/enrollments/dev-1')).body;
  const writing = await Promise.all(
    [5, 6, 7, 8].map((n) =>
      call('PUT', '/enrollments/dev-1', { body: symmetric('dev-1', { deviceId: `b${n}` }), headers: { 'if-match': etag } }),
    ),
  );
  t.strictSame(writing.map(({ status }) => status).sort(), [200, 412, 412, 412]);
});

t.test('an empty symmetric key is generated', async (t) => {
  const { call } = await openDesk(t);
  await call('PUT', '/enrollmentGroups/g', { body: { enrollmentGroupId: 'g', attestation: { type: 'symmetricKey', symmetricKey: {} } } });
  const { body } = await call<Mechanism>('POST', '/enrollmentgroups/g/attestationmechanism');
  t.equal(Buffer.from(body.symmetricKey.primaryKey, 'base64').length, 64);
  t.not(body.symmetricKey.primaryKey, body.symmetricKey.secondaryKey);
  t.match(await call('GET', '/enrollmentGroups/g'), { body: { enrollmentGroupId: 'g', attestation: { type: 'symmetricKey' } } });
  t.match(await call('GET', '/enrollmentGroups/h'), { status: 404, body: { errorCode: 404202 } });
});

t.test('certificates are shown by their info, and what was read can be written back', async (t) => {
  const { call } = await openDesk(t);
  const line = await makeAuthority('Line 7');
  const other = await makeAuthority('Line 8');
  const group = (id: string, pem: string) => ({
    enrollmentGroupId: id,
    attestation: { type: 'x509', x509: { signingCertificates: { primary: { certificate: pem }, secondary: null } } },
  });
  const made = await call('PUT', '/enrollmentGroups/g', { body: group('g', line.pem) });
  const sha256Thumbprint = (await import('node:crypto'))
    .createHash('sha256')
    .update(Buffer.from(line.certificate.rawData))
    .digest('hex')
    .toUpperCase();
  t.match(made, {
    status: 200,
    body: {
      attestation: {
        type: 'x509',
        x509: { signingCertificates: { primary: { info: { subjectName: 'CN=Line 7', version: 3, sha256Thumbprint } } } },
      },
    },
  });
  t.notMatch(JSON.stringify(made.body), 'BEGIN CERTIFICATE');
  const { body } = await call<Mechanism>('POST', '/enrollmentGroups/g/attestationmechanism');
  t.equal(body.x509.signingCertificates.primary.certificate, line.pem);

  const headers = { 'if-match': '*' };
  t.match(await call('PUT', '/enrollmentGroups/g', { body: { ...made.body, provisioningStatus: 'disabled' }, headers }), { status: 200 });
  t.equal(
    (await call<Mechanism>('POST', '/enrollmentGroups/g/attestationmechanism')).body.x509.signingCertificates.primary.certificate,
    line.pem,
  );
  await call('PUT', '/enrollmentGroups/h', { body: group('h', other.pem) });
  const foreign = { ...made.body, enrollmentGroupId: 'h' };
  t.match(await call('PUT', '/enrollmentGroups/h', { body: foreign, headers }), { status: 400 }, 'the info of another certificate is none');
  const leaf = await issue(line, 'dev-1');
  t.match(await call('PUT', '/enrollmentGroups/i', { body: group('i', leaf.cert) }), { status: 400 }, 'a leaf signs nothing');
  t.ok(await prove('p', line));
});

t.test('what cannot be is refused, and says why', async (t) => {
  const { call, log } = await openDesk(t);
  const bad: [string, unknown, RegExp][] = [
    ['another id', symmetric('dev-2'), /registrationId/],
    ['no id', { attestation: symmetric('x').attestation }, /registrationId/],
    ['an unknown member', symmetric('dev-1', { provisioningstatus: 'enabled' }), /provisioningstatus/],
    ['a bad value', symmetric('dev-1', { provisioningStatus: 'off' }), /provisioningStatus/],
    ['no attestation', { registrationId: 'dev-1' }, /attestation/],
    ['no object', ['dev-1'], /object/],
    [
      'a short key',
      { registrationId: 'dev-1', attestation: { type: 'symmetricKey', symmetricKey: { primaryKey: 'c2hvcnQ=' } } },
      /16 to 64/,
    ],
  ];
  for (const [what, body, message] of bad) {
    const answer = await call('PUT', '/enrollments/dev-1', { body });
    t.match(answer, { status: 400, headers: { 'x-ms-error-code': '400004' }, body: { errorCode: 400004, message } }, what);
  }
  t.match(await call('PUT', '/enrollments/dev-1', { body: `{"registrationId": "${key('a secret')}` }), {
    status: 400,
    body: { message: 'the body is no JSON' },
  });
  t.notMatch(log.join(''), key('a secret'));
  t.match(await call('PUT', '/enrollments/dev-1', { body: 'x', headers: { 'content-type': 'text/plain' } }), {
    status: 415,
    body: { errorCode: 415000 },
  });
  t.match(await call('PUT', '/enrollments/dev-1', { body: { pad: 'x'.repeat(1024 * 1024) } }), {
    status: 413,
    body: { errorCode: 413000 },
  });
  t.match(await call('PATCH', '/enrollments/dev-1'), { status: 405, body: { errorCode: 405000 } });
  t.match(await call('PUT', '/enrollments'), { status: 405 });
  t.match(await call('GET', '/enrollments/dev-1/nothing'), { status: 404, body: { errorCode: 404000 } });
  for (const version of ['', '?api-version=', '?api-version=latest', '?api-version=2017-08-31-preview']) {
    t.match(
      await call('GET', `/enrollments/dev-1${version || '?'}`),
      { status: 400, body: { message: /api-version/ } },
      `version ${version}`,
    );
  }
  t.match(await call('GET', '/enrollments/dev-1?api-version=2019-03-31'), { status: 404 });
});

t.test('bulk operations succeed item by item', async (t) => {
  const { call } = await openDesk(t);
  const many = (from: number, count: number, more: object = {}) =>
    Array.from({ length: count }, (_, n) => symmetric(`dev-${from + n}`, more));
  t.strictSame((await call('POST', '/enrollments', { body: { mode: 'create', enrollments: many(0, 10) } })).body, {
    isSuccessful: true,
    errors: [],
  });
  t.match(await call('POST', '/enrollments', { body: { mode: 'create', enrollments: many(8, 4) } }), {
    status: 200,
    body: {
      isSuccessful: false,
      errors: [{ registrationId: 'dev-8', errorCode: 409203, errorStatus: String }, { registrationId: 'dev-9' }],
    },
  });
  t.match(await call('GET', '/enrollments/dev-11'), { status: 200 }, 'the others were made');
  t.match(
    (await call('POST', '/enrollments', { body: { mode: 'update', enrollments: many(11, 2, { provisioningStatus: 'disabled' }) } })).body,
    {
      isSuccessful: false,
      errors: [{ registrationId: 'dev-12', errorCode: 404201 }],
    },
  );
  const { body: fresh } = await call('GET', '/enrollments/dev-11');
  t.equal(fresh.provisioningStatus, 'disabled');
  const conditional = [{ ...symmetric('dev-11'), etag: fresh.etag }, { ...symmetric('dev-0'), etag: '"old"' }, symmetric('dev-1')];
  t.match((await call('POST', '/enrollments', { body: { mode: 'updateIfMatchETag', enrollments: conditional } })).body, {
    isSuccessful: false,
    errors: [
      { registrationId: 'dev-0', errorCode: 412001 },
      { registrationId: 'dev-1', errorCode: 400004 },
    ],
  });
  t.equal((await call('GET', '/enrollments/dev-11')).body.provisioningStatus, 'enabled');
  const leaving = [{ registrationId: 'dev-0' }, { registrationId: 'nobody' }, {}];
  t.match((await call('POST', '/enrollments', { body: { mode: 'delete', enrollments: leaving } })).body, {
    errors: [
      { registrationId: 'nobody', errorCode: 404201 },
      { registrationId: '', errorCode: 400004 },
    ],
  });
  t.match(await call('GET', '/enrollments/dev-0'), { status: 404 });
  const group = { enrollmentGroupId: 'g', attestation: { type: 'symmetricKey', symmetricKey: {} } };
  t.match(await call('POST', '/enrollmentGroups', { body: { mode: 'create', enrollmentGroups: [group, group] } }), {
    body: { isSuccessful: false, errors: [{ enrollmentGroupId: 'g', errorCode: 409203 }] },
  });
  for (const body of [
    { mode: 'create', enrollments: many(0, 11) },
    { mode: 'create', enrollments: [] },
    { mode: 'replace', enrollments: many(0, 1) },
    [],
    { enrollments: many(0, 1) },
  ]) {
    t.match(await call('POST', '/enrollments', { body }), { status: 400 });
  }
});
