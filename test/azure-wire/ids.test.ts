import {
  canonicalRegistrationId,
  isDeviceId,
  isIdScope,
  LOCAL_ID_SCOPE,
  parseRegistrationId,
  REGISTRATION_ID_MAX,
  registrationIdProblem,
} from '@zerotouch/azure-wire/ids';
import fc from 'fast-check';
import t from 'tap';

const inner = 'ABCxyz0189-._:';
const end = 'ABCxyz0189';

t.test('a registration id is letters, digits and - . _ :, ends in a letter, digit or dash', async (t) => {
  for (const id of ['a', '7', 'a-', 'sn-007-888-abc-mac-a1-b2-c3-d4-e5-f6', 'A.b_c:d', 'x'.repeat(REGISTRATION_ID_MAX)]) {
    t.equal(parseRegistrationId(id), id, id);
  }
  for (const [id, problem] of [
    ['', /is empty/],
    ['-a', /must start with/],
    ['a.', /end with/],
    ['a:', /end with/],
    ['a b', /holds " "/],
    ['grüße', /holds "ü"/],
    ['a/b', /holds "\/"/],
    ['a\n', /holds "\\n"/],
    ['x'.repeat(REGISTRATION_ID_MAX + 1), /has 129 characters, at most 128/],
  ] as const) {
    t.match(registrationIdProblem(id), problem, JSON.stringify(id));
    t.throws(() => parseRegistrationId(id), { code: 'BAD_REGISTRATION_ID', expected: String, message: problem });
  }
});

t.test('every id made of allowed characters is allowed', async (t) => {
  const allowed = fc
    .tuple(fc.constantFrom(...end), fc.string({ unit: fc.constantFrom(...inner), maxLength: 100 }), fc.constantFrom(...end, '-'))
    .map((parts) => parts.join(''));
  fc.assert(fc.property(allowed, (id) => registrationIdProblem(id) === undefined && canonicalRegistrationId(id) === id.toLowerCase()));
  t.pass('held for every sample');
});

t.test('whatever the text, it is either allowed or refused with a reason, and only plain characters are allowed', async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 140 }), (id) => {
      const problem = registrationIdProblem(id);
      return problem === undefined ? /^[A-Za-z0-9\-._:]{1,128}$/.test(id) : problem !== '';
    }),
  );
  t.pass('held for every sample');
});

t.test('device ids and ID scopes', async (t) => {
  t.ok(isDeviceId("a%b_#*?!(),:=@$'-.+"));
  t.notOk(isDeviceId(''));
  t.notOk(isDeviceId('a/b'));
  t.notOk(isDeviceId('x'.repeat(129)));
  t.ok(isIdScope(LOCAL_ID_SCOPE));
  t.notOk(isIdScope('0ne0000'));
  t.notOk(isIdScope('1ne00000A1B'));
});
