import t from 'tap';
import { key } from '../clouds.js';
import { openDesk, serviceToken } from './desk.js';

const enrolment = { registrationId: 'dev-1', attestation: { type: 'symmetricKey', symmetricKey: {} } };
const calls: Record<string, [method: string, path: string, body?: unknown]> = {
  read: ['GET', '/enrollments/dev-1'],
  write: ['PUT', '/enrollments/dev-1', enrolment],
  remove: ['DELETE', '/enrollments/dev-1'],
  bulk: ['POST', '/enrollmentGroups', {}],
  query: ['POST', '/enrollmentGroups/query', {}],
  mechanism: ['POST', '/enrollments/dev-1/attestationmechanism'],
  state: ['GET', '/registrations/dev-1'],
  states: ['POST', '/registrations/g/query'],
  removeState: ['DELETE', '/registrations/dev-1'],
  attempts: ['GET', '/zerotouch/attempts/dev-1'],
};

t.test('each operation needs its right', async (t) => {
  const policies = (
    ['EnrollmentRead', 'EnrollmentWrite', 'RegistrationStatusRead', 'RegistrationStatusWrite', 'ServiceConfig'] as const
  ).map((right) => ({
    name: right,
    rights: [right],
    primaryKey: key(right),
  }));
  const { call, log } = await openDesk(t, policies);
  const allowed = async (policy: { name: string; primaryKey: string }): Promise<string[]> => {
    const passed: string[] = [];
    for (const [name, [method, path, body]] of Object.entries(calls)) {
      const { status } = await call(method, path, { body, authorization: serviceToken(policy) });
      if (status !== 401) passed.push(name);
    }
    return passed;
  };
  const found: Record<string, string[]> = {};
  for (const policy of policies) found[policy.name] = await allowed(policy);
  t.strictSame(found, {
    EnrollmentRead: ['read', 'query', 'mechanism'],
    EnrollmentWrite: ['read', 'write', 'remove', 'bulk', 'query', 'mechanism'],
    RegistrationStatusRead: ['state', 'states', 'attempts'],
    RegistrationStatusWrite: ['state', 'states', 'removeState', 'attempts'],
    ServiceConfig: [],
  });
  t.match(log.join(''), 'the shared access policy \\"ServiceConfig\\" lacks EnrollmentRead');
});

t.test('a token must be good; the answer never says why, the log does', async (t) => {
  const { call, owner, port, log } = await openDesk(t);
  const { name, primaryKey, secondaryKey } = owner;
  const good: [string, string][] = [
    ['primary key', serviceToken(owner)],
    ['secondary key', serviceToken({ name, primaryKey: secondaryKey })],
    ['as a client that was told a port signs it', serviceToken(owner, `localhost:${port}`)],
    ['other case', serviceToken(owner, 'ZeroTouch.azure-devices-provisioning.net')],
    ['just expired', serviceToken(owner, undefined, -200)],
  ];
  for (const [what, authorization] of good) t.match(await call('GET', '/enrollments/dev-1', { authorization }), { status: 404 }, what);
  const bad: [string, string | undefined, RegExp][] = [
    ['nothing', undefined, /no Authorization header/],
    ['no SAS', 'Bearer abc', /no SAS token/],
    ['another resource', serviceToken(owner, 'other.azure-devices-provisioning.net'), /other\.azure/],
    ["a device's resource", serviceToken(owner, '0ne00000A1B/registrations/dev-1'), /0ne00000A1B/],
    ['another path', serviceToken(owner, `localhost/enrollments`), /localhost\/enrollments/],
    ['long expired', serviceToken(owner, undefined, -400), /expired at/],
    ['unknown policy', serviceToken({ name: 'nobody', primaryKey }), /no shared access policy .*nobody/],
    ['another key', serviceToken({ name, primaryKey: key('wrong') }), /not signed with a key/],
    ['no policy', serviceToken(owner).replace(/&skn=.*/, ''), /names no shared access policy/],
  ];
  for (const [what, authorization, reason] of bad) {
    log.length = 0;
    const answer = await call('PUT', '/enrollments/dev-1', { body: enrolment, authorization });
    t.match(answer, { status: 401, headers: { 'x-ms-error-code': '401000' }, body: { errorCode: 401000, message: 'Unauthorized' } }, what);
    t.match(log.join(''), reason, what);
    t.notMatch(log.join(''), primaryKey);
    t.notMatch(log.join(''), /sig=[\w%]{20}/);
  }
  t.match(await call('GET', '/enrollments/dev-1'), { status: 404 }, 'nothing was written');
});
