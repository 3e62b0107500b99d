import {
  buildDpsUserName,
  DPS_API_VERSIONS,
  dpsResponseTopic,
  parseDpsRequest,
  parseDpsResponse,
  parseDpsUserName,
  registerTopic,
  statusTopic,
} from '@zerotouch/azure-wire/dps-mqtt';
import fc from 'fast-check';
import t from 'tap';

const id = fc.string({ unit: fc.constantFrom(...'abcXYZ019-._:'), minLength: 1 });
const word = fc.string({ unit: fc.constantFrom(...'abcXYZ019-'), minLength: 1 });

t.test('the user name of the documentation, without a question mark', async (t) => {
  t.equal(
    buildDpsUserName({ idScope: '0ne00000A1B', registrationId: 'd-1', apiVersion: '2019-03-31' }),
    '0ne00000A1B/registrations/d-1/api-version=2019-03-31',
  );
});

t.test('user names as clients write them', async (t) => {
  const scope = { idScope: '0ne00000A1B', registrationId: 'd' };
  t.same(parseDpsUserName('0ne00000A1B/registrations/d/api-version=2019-03-31&ClientVersion=azure-iot%2F1.9'), {
    ...scope,
    apiVersion: '2019-03-31',
    clientVersion: 'azure-iot/1.9',
  });
  t.match(parseDpsUserName('0ne00000A1B/registrations/d/?api-version=2021-06-01&clientVersion=x'), {
    apiVersion: '2021-06-01',
    clientVersion: 'x',
  });
  t.equal(
    parseDpsUserName('0ne00000A1B/registrations/d/api-version=2021-06-01&ClientVersion=100%').clientVersion,
    '100%',
    'a broken escape is kept',
  );
});

t.test('what is written is read', async (t) => {
  fc.assert(
    fc.property(id, id, fc.constantFrom(...DPS_API_VERSIONS), fc.string(), (idScope, registrationId, apiVersion, clientVersion) => {
      const parts = { idScope, registrationId, apiVersion, clientVersion };
      t.same(parseDpsUserName(buildDpsUserName(parts)), parts);
    }),
    { numRuns: 50 },
  );
  fc.assert(
    fc.property(word, word, fc.option(fc.nat({ max: 900 }), { nil: undefined }), (rid, operationId, retryAfter) => {
      t.same(parseDpsRequest(registerTopic(rid)), { kind: 'register', rid });
      t.same(parseDpsRequest(statusTopic(rid, operationId)), { kind: 'status', rid, operationId });
      t.same(parseDpsResponse(dpsResponseTopic(202, rid, retryAfter)), { status: 202, rid, retryAfter });
    }),
    { numRuns: 50 },
  );
});

t.test('foreign user names and topics are refused', async (t) => {
  for (const name of [
    '',
    'hub.azure-devices.net/d/?api-version=2021-04-12',
    '0ne/registrations//api-version=1',
    '0ne/registrations/d/',
    '0ne/registrations/d/api-version=',
  ]) {
    t.throws(() => parseDpsUserName(name), { code: 'BAD_USER_NAME' }, name);
  }
  for (const topic of [
    '',
    '$dps/registrations/GET/iotdps-get-operationstatus/?$rid=1',
    'devices/d/messages/events/',
    '$iothub/twin/GET/?$rid=1',
  ]) {
    t.throws(() => parseDpsRequest(topic), { code: 'BAD_TOPIC' }, topic);
  }
});

t.test('replies: only those of DPS, and a retry-after that makes sense', async (t) => {
  t.equal(parseDpsResponse('$dps/registrations/res/20/?$rid=1'), undefined);
  t.equal(parseDpsResponse('$iothub/twin/res/200/?$rid=1'), undefined);
  t.equal(parseDpsResponse('$dps/registrations/res/202/?$rid=1&retry-after=0')?.retryAfter, 0);
  t.equal(parseDpsResponse('$dps/registrations/res/202/?$rid=1&retry-after=0.25')?.retryAfter, 0.25);
  t.equal(parseDpsResponse('$dps/registrations/res/202/?$rid=1&retry-after=-3')?.retryAfter, undefined);
  t.equal(parseDpsResponse('$dps/registrations/res/202/?$rid=1&retry-after=soon')?.retryAfter, undefined);
});
