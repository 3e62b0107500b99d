import { parseQuery } from '@zerotouch/cloud-sim/api/service/query';
import type { RegistrationRecord } from '@zerotouch/cloud-sim/store/store';
import fc from 'fast-check';
import t from 'tap';
import { type Desk, openDesk } from './desk.js';

async function enrol(desk: Desk, count: number): Promise<void> {
  for (let n = 0; n < count; n += 10) {
    const enrollments = Array.from({ length: Math.min(10, count - n) }, (_, index) => ({
      registrationId: `dev-${String(n + index).padStart(3, '0')}`,
      attestation: { type: 'symmetricKey', symmetricKey: {} },
      provisioningStatus: (n + index) % 3 === 0 ? 'disabled' : 'enabled',
    }));
    await desk.call('POST', '/enrollments', { body: { mode: 'create', enrollments } });
  }
}

async function all({ call }: Desk, path: string, query: string, size?: number): Promise<{ ids: string[]; pages: number }> {
  const ids: string[] = [];
  let continuation: string | undefined;
  let pages = 0;
  do {
    const headers: Record<string, string> = {
      ...(size === undefined ? {} : { 'x-ms-max-item-count': String(size) }),
      ...(continuation === undefined ? {} : { 'x-ms-continuation': continuation }),
    };
    const answer = await call<{ registrationId: string }[]>('POST', path, { body: { query }, headers });
    t.equal(answer.status, 200);
    if (size !== undefined && answer.body.length > size) throw new Error('the page is too long');
    ids.push(...answer.body.map(({ registrationId }) => registrationId));
    continuation = answer.headers['x-ms-continuation'] as string | undefined;
    pages++;
  } while (continuation !== undefined);
  return { ids, pages };
}

t.test('pages hold every enrolment once', async (t) => {
  const desk = await openDesk(t);
  await enrol(desk, 125);
  const expected = Array.from({ length: 125 }, (_, n) => `dev-${String(n).padStart(3, '0')}`);
  t.strictSame(await all(desk, '/enrollments/query', 'SELECT *'), { ids: expected, pages: 2 }, 'a hundred by default');
  t.strictSame(await all(desk, '/enrollments/query', 'select * from ENROLLMENTS', 40), { ids: expected, pages: 4 });
  t.strictSame(await all(desk, '/enrollments/query', 'SELECT * FROM enrollments', 125), { ids: expected, pages: 1 });
  const disabled = await all(desk, '/enrollments/query', "SELECT * FROM enrollments WHERE provisioningStatus = 'disabled'", 10);
  t.strictSame(
    disabled.ids,
    expected.filter((_, n) => n % 3 === 0),
  );
  const first = await desk.call('POST', '/enrollments/query', { body: { query: 'SELECT *' }, headers: { 'x-ms-max-item-count': '7' } });
  t.match(first.headers, { 'x-ms-item-type': 'Enrollment', 'x-ms-max-item-count': '7', 'x-ms-continuation': String });
  const headers = { 'x-ms-continuation': String(first.headers['x-ms-continuation']) };
  t.match(
    await desk.call('POST', '/enrollments/query', { body: { query: 'SELECT * FROM enrollments' }, headers }),
    { status: 400 },
    'of another query',
  );
  t.match(await desk.call('POST', '/enrollments/query', { body: { query: 'SELECT *' }, headers: { 'x-ms-continuation': 'none' } }), {
    status: 400,
  });
  for (const size of ['0', 'ten', '-2']) {
    t.match(await desk.call('POST', '/enrollments/query', { body: { query: 'SELECT *' }, headers: { 'x-ms-max-item-count': size } }), {
      status: 400,
    });
  }
  t.match(await desk.call('POST', '/enrollments/query', { body: {} }), { status: 400 });
  t.match(await desk.call('POST', '/enrollmentGroups/query', { body: { query: 'SELECT * FROM enrollmentGroups' } }), {
    status: 200,
    body: [],
    headers: { 'x-ms-item-type': 'EnrollmentGroup' },
  });
});

t.test('registrations of a group, and of one device', async (t) => {
  const desk = await openDesk(t);
  const { call, store } = desk;
  const keep = (registrationId: string, group: string | undefined): Promise<RegistrationRecord> =>
    store.registrations.update(registrationId, () => ({
      operationId: 'o',
      state: {
        registrationId,
        status: 'assigned',
        substatus: 'initialAssignment',
        assignedHub: 'h',
        deviceId: registrationId,
        etag: '"e"',
        symmetricKey: group === undefined ? {} : { enrollmentGroupId: group },
      },
    }));
  await call('PUT', '/enrollmentGroups/g', { body: { enrollmentGroupId: 'g', attestation: { type: 'symmetricKey', symmetricKey: {} } } });
  for (let n = 0; n < 25; n++) await keep(`dev-${String(n).padStart(2, '0')}`, n % 5 === 0 ? 'other' : n % 7 === 0 ? undefined : 'g');
  const { ids } = await all(desk, '/registrations/g/query', 'SELECT * FROM registrations', 4);
  t.equal(ids.length, 17);
  t.match(
    await call('POST', '/registrations/g/query'),
    { status: 200, headers: { 'x-ms-item-type': 'DeviceRegistration' } },
    'no query asks for all',
  );
  t.match(await call('POST', '/registrations/none/query', { body: { query: 'SELECT *' } }), { status: 404 });
  const shown = await call('GET', '/registrations/DEV-01');
  t.match(shown, { status: 200, body: { registrationId: 'dev-01', status: 'assigned' } });
  t.notOk('symmetricKey' in shown.body);
  await call('PUT', '/enrollments/dev-07', { body: { registrationId: 'dev-07', attestation: { type: 'symmetricKey', symmetricKey: {} } } });
  t.match(await call('GET', '/enrollments/dev-07'), { body: { registrationState: { registrationId: 'dev-07', status: 'assigned' } } });
  t.match(await call('DELETE', '/registrations/dev-01', { headers: { 'if-match': 'x' } }), { status: 412 });
  t.match(await call('DELETE', '/registrations/dev-01', { headers: { 'if-match': 'e' } }), { status: 204 });
  t.match(await call('GET', '/registrations/dev-01'), { status: 404, body: { errorCode: 404202 } });
  t.match(await call('DELETE', '/registrations/dev-01'), { status: 404 });
});

t.test('attempts of a device', async (t) => {
  const { call, store } = await openDesk(t);
  const attempt = {
    at: '2026-01-01T00:00:00.0000000Z',
    service: 'dps',
    host: 'h',
    transport: 'mqtt',
    id: 'Dev-1',
    outcome: 'refused',
    wire: { status: 401 },
    reason: { rule: 'sas-signature', text: 'why' },
  } as const;
  await store.attempts.append('dev-1', attempt);
  t.strictSame((await call('GET', '/zerotouch/attempts/DEV-1')).body, { attempts: [attempt] });
  t.strictSame((await call('GET', '/zerotouch/attempts/dev-2')).body, { attempts: [] });
});

t.test('conditions', async (t) => {
  const record = { status: 'assigned', count: 3, edge: { on: true }, quote: "it's" };
  const holds = (where: string) => parseQuery(`SELECT * WHERE ${where}`, 'x')(record);
  for (const where of [
    "status = 'assigned'",
    'status = "assigned"',
    "status != 'failed'",
    'count > 2 AND count <= 3 AND count < 4 AND count >= 3',
    "status <> 'assigned' OR count = 3",
    "NOT (status = 'failed' OR count = 4)",
    'edge.on = TRUE',
    'nothing = null',
    "quote = 'it''s'",
    "status = 'failed' AND count = 3 OR edge.on = true",
  ])
    t.ok(holds(where), where);
  for (const where of [
    "status = 'Assigned'",
    'count > 3',
    "count > '2'",
    'edge.off = true',
    'constructor != null',
    "NOT status = 'assigned'",
  ])
    t.notOk(holds(where), where);
  for (const query of [
    '',
    'SELECT',
    'SELECT registrationId',
    'SELECT * FROM',
    'SELECT * FROM devices',
    'SELECT * WHERE',
    'SELECT * WHERE status',
    'SELECT * WHERE status =',
    'SELECT * WHERE status = assigned',
    "SELECT * WHERE 'status' = 'assigned'",
    'SELECT * WHERE (count = 3',
    'SELECT * WHERE count = 3)',
    'SELECT * WHERE count = 3 3',
    'SELECT * ORDER BY status',
    'SELECT * WHERE count LIKE 3',
    "SELECT * WHERE a = 'x",
    `SELECT * WHERE ${'('.repeat(1000)}`,
  ])
    t.throws(() => parseQuery(query, 'x'), { entry: { code: 400004 }, message: /served is SELECT/ }, query.slice(0, 60));
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        parseQuery(`SELECT * WHERE ${text}`, 'x')(record);
      } catch (error) {
        if ((error as Error).name !== 'ServiceError') throw error;
      }
    }),
    { numRuns: 300 },
  );
});
