import fc from 'fast-check';
import t from 'tap';
import { openDesk } from './desk.js';

const segment = fc.oneof(
  fc.constantFrom(
    'enrollments',
    'enrollmentGroups',
    'registrations',
    'query',
    'attestationmechanism',
    'dev-1',
    'zerotouch',
    'attempts',
    '',
  ),
  fc.string({ unit: 'binary', maxLength: 20 }).map(encode),
  fc.constantFrom('%', '%zz', '%C3%28', '%2F', '%00', '...', 'x'.repeat(500), '__proto__', 'constructor'),
);
const body = fc.oneof(
  fc.constant(undefined),
  fc.string(),
  fc.json(),
  fc.record({ query: fc.oneof(fc.string(), fc.constant('SELECT *')) }),
  fc.record({
    mode: fc.constantFrom('create', 'update', 'delete', 'updateIfMatchETag'),
    enrollments: fc.array(fc.jsonValue(), { maxLength: 3 }),
  }),
  fc.record({ registrationId: fc.constantFrom('dev-1', 'dev-2'), attestation: fc.jsonValue() }),
  fc.constant('{"registrationId":"dev-1","__proto__":{"a":1}}'),
);
const header = fc.string({ unit: fc.constantFrom(...'ab01"\\*W/ =-,'), maxLength: 12 });

function encode(text: string): string {
  return encodeURIComponent(text.replace(/[\ud800-\udfff]/g, '?')).replace(/^\.+$/, 'dots');
}

t.test('whatever comes, the answer is one of the service, and nothing breaks', async (t) => {
  const { call, log } = await openDesk(t);
  const symmetric = { registrationId: 'dev-1', attestation: { type: 'symmetricKey', symmetricKey: {} } };
  await call('PUT', '/enrollments/dev-1', { body: symmetric });
  const before = (await call('POST', '/enrollments/dev-1/attestationmechanism')).body;
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('GET', 'PUT', 'POST', 'PATCH', 'OPTIONS'),
      fc.tuple(fc.constantFrom('enrollments', 'enrollmentGroups', 'registrations', 'zerotouch'), fc.array(segment, { maxLength: 3 })),
      fc.constantFrom('', '?api-version=2021-10-01', '?api-version=2021-10-01&api-version=1', '?api-version=%', '?__proto__=1'),
      body,
      fc.record({ 'if-match': header, 'x-ms-max-item-count': header, 'x-ms-continuation': header }, { requiredKeys: [] }),
      async (method, [first, rest], query, any, headers) => {
        // Node's client frames no body of a GET.
        const content = method === 'GET' || method === 'OPTIONS' ? undefined : any;
        const path = `/${[first, ...rest].join('/')}${query === '' ? '?' : query}`;
        const answer = await call<{ errorCode?: number; trackingId?: string }>(method, path, { body: content, headers });
        if (answer.status === 200 || answer.status === 204) return;
        if (answer.status >= 500) throw new Error(`${answer.status}: ${log.at(-1)}`);
        const { errorCode = 0, trackingId } = answer.body ?? {};
        if (Math.floor(errorCode / 1000) !== answer.status || trackingId === undefined)
          throw new Error(`${answer.status} ${JSON.stringify(answer.body)}`);
      },
    ),
    { numRuns: 200 },
  );
  t.strictSame((await call('POST', '/enrollments/dev-1/attestationmechanism')).body, before);
});
