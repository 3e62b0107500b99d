import { parseJson } from '@zerotouch/azure-wire/json';
import {
  sortConnack,
  sortConnectionError,
  sortFailedRegistration,
  sortSdkError,
  sortServiceError,
} from '@zerotouch/firmware-sim/transport/evidence';
import { evidenceMatrix } from '@zerotouch/firmware-sim/transport/evidence-matrix';
import { POLL_INTERVAL_MS, readDesired, readDpsReply, readReportReply, readTwinReply } from '@zerotouch/firmware-sim/transport/replies';
import fc from 'fast-check';
import t from 'tap';

const failing = (code: string, message = `something ${code}`): Error => Object.assign(new Error(message), { code });
const named = (name: string, message = ''): Error => Object.assign(new Error(message), { name });

t.test('a CONNACK that is no welcome', async (t) => {
  t.same(
    [1, 2, 3, 4, 5, 6].map((code) => sortConnack(code).outcome),
    ['invalid', 'refused', 'unavailable', 'refused', 'refused', 'invalid'],
  );
});

t.test('errors of the connection go by their code', async (t) => {
  const kinds: Record<string, string> = {
    ECONNREFUSED: 'unreachable',
    ENOTFOUND: 'unreachable',
    EAI_AGAIN: 'unreachable',
    EHOSTUNREACH: 'unreachable',
    ETIMEDOUT: 'unreachable',
    EPROTO: 'unreachable',
    DEPTH_ZERO_SELF_SIGNED_CERT: 'unreachable',
    SELF_SIGNED_CERT_IN_CHAIN: 'unreachable',
    UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'unreachable',
    UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'unreachable',
    ERR_TLS_CERT_ALTNAME_INVALID: 'unreachable',
    CERT_NOT_YET_VALID: 'unreachable',
    CERT_HAS_EXPIRED: 'unreachable',
    ERR_SSL_WRONG_VERSION_NUMBER: 'unreachable',
    ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: 'ambiguous',
    ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: 'ambiguous',
    ECONNRESET: 'dropped',
    EPIPE: 'dropped',
  };
  for (const [code, kind] of Object.entries(kinds)) {
    const failure = sortConnectionError(failing(code));
    t.equal(failure.outcome, kind, code);
    t.match(failure.detail, new RegExp(code), `${code} is in the detail`);
  }
  t.match(sortConnectionError(failing('CERT_NOT_YET_VALID')).detail, /clock/, 'a wrong clock looks like a wrong certificate');
  t.match(sortConnectionError(Object.assign(new Error('refused'), { code: 5 })), { outcome: 'refused' }, 'a number is a CONNACK');
  t.match(sortConnectionError(new Error('connack timeout')), { outcome: 'timed-out' });
  t.match(sortConnectionError(new Error('Connection closed')), { outcome: 'dropped' });
  t.match(sortConnectionError(new Error('Invalid header flag bits')), { outcome: 'invalid' });
  t.match(sortConnectionError('what'), { outcome: 'invalid', detail: 'what' });
});

t.test("the SDK's errors go by their name, whichever copy of its classes they come from", async (t) => {
  const kinds: Record<string, string> = {
    UnauthorizedError: 'refused',
    DeviceNotFoundError: 'refused',
    ServiceUnavailableError: 'unavailable',
    InternalServerError: 'unavailable',
    ThrottlingError: 'throttled',
    IotHubQuotaExceededError: 'throttled',
    NotConnectedError: 'dropped',
    TimeoutError: 'timed-out',
    OperationCancelledError: 'timed-out',
    SyntaxError: 'invalid',
    ArgumentError: 'invalid',
  };
  for (const [name, kind] of Object.entries(kinds)) t.equal(sortSdkError(named(name)).outcome, kind, name);
  const first = { firstConnect: true };
  t.equal(sortSdkError(named('UnauthorizedError', 'Failure on first connection (Not authorized)'), first).outcome, 'ambiguous');
  t.equal(sortSdkError(named('ServiceUnavailableError'), first).outcome, 'unavailable');
  const behind = { firstConnect: true, network: failing('ECONNREFUSED') };
  t.equal(sortSdkError(named('UnauthorizedError'), behind).outcome, 'unreachable', 'the socket knows better');
  t.equal(sortSdkError(failing('ENOTFOUND')).outcome, 'unreachable', 'an error that was passed through');
  t.equal(sortSdkError(new Error('Connection closed')).outcome, 'dropped');
  const silent = named('OperationCancelledError');
  Object.assign(silent, { message: undefined });
  t.match(sortSdkError(silent), { outcome: 'timed-out', detail: 'OperationCancelledError' }, 'an error without a message');
});

t.test('what the service says goes by its six digits, else by its status', async (t) => {
  const kind = (status: number, errorCode?: number): string =>
    sortServiceError(status, errorCode === undefined ? undefined : { errorCode }).outcome;
  t.same(
    [401, 403, 404, 429, 500, 503, 400, 409].map((status) => kind(status)),
    [...['refused', 'refused', 'refused', 'throttled', 'unavailable', 'unavailable', 'invalid', 'invalid']],
  );
  t.equal(kind(400, 401002), 'refused');
  t.equal(kind(404, 404202), 'unavailable', 'an operation that is gone says nothing about the device');
  t.match(sortServiceError(429, { errorCode: 429001, message: 'Slow\ndown', trackingId: 'guid' }, 1.5), {
    code: 429001,
    retryAfterMs: 1500,
    detail: '429001 Slow down (tracking id guid)',
  });
});

t.test('a registration that ended without a hub', async (t) => {
  const kind = (errorCode: number): string => sortFailedRegistration({ errorCode }, 'failed').outcome;
  t.same([401002, 404201, 400208, 400207, 500000, 429001, 400999].map(kind), [
    ...['refused', 'refused', 'unavailable', 'unavailable', 'unavailable', 'throttled', 'refused'],
  ]);
  t.match(sortFailedRegistration(undefined, 'disabled'), { outcome: 'refused', detail: 'registration disabled' });
  t.match(sortFailedRegistration({ errorCode: 400208, errorMessage: 'none' }, 'failed', 2), { retryAfterMs: 2000, detail: /400208: none/ });
});

t.test('no detail carries a token or a second line', async (t) => {
  const word = fc.string({ minLength: 1 }).filter((text) => !/\s/.test(text));
  const property = fc.property(fc.string(), word, (text, token) => {
    const message = `${text}\nSharedAccessSignature sr=a&sig=${token}&se=1`;
    const failures = [
      sortSdkError(new Error(message)),
      sortConnectionError(failing('EPIPE', message)),
      sortServiceError(401, { message }),
      sortFailedRegistration({ errorMessage: message }, 'failed'),
    ];
    return failures.every(({ detail }) => !/[\r\n]/.test(detail) && !detail.includes('sig=') && detail.length <= 300);
  });
  t.doesNotThrow(() => fc.assert(property));
});

t.test('a reply of DPS', async (t) => {
  const poll = { operationId: 'op', status: 'assigning' };
  t.same(readDpsReply(202, poll), { outcome: 'poll', operationId: 'op', afterMs: POLL_INTERVAL_MS });
  t.same(readDpsReply(202, poll, 0), { outcome: 'poll', operationId: 'op', afterMs: 0 });
  t.same(readDpsReply(200, { ...poll, status: 'Assigning' }, 0.25), { outcome: 'poll', operationId: 'op', afterMs: 250 });
  t.match(readDpsReply(200, { ...poll, status: 'lost' }), { outcome: 'invalid' });
});

t.test('a reply of a hub', async (t) => {
  const twin = { desired: { $version: 1 }, reported: { $version: 1 } };
  t.same(readTwinReply(200, twin), { outcome: 'twin', twin });
  t.same(readReportReply(204, undefined), { outcome: 'reported' });
  t.same(readReportReply(200, undefined), { outcome: 'reported' });
  t.same(readDesired({ a: 1 }, 4), { a: 1, $version: 4 }, 'the version is in the topic as well');
  t.same(readDesired([], 4), undefined);
});

t.test('whatever comes, it is sorted', async (t) => {
  const state = fc.record({
    errorCode: fc.jsonValue(),
    errorMessage: fc.jsonValue(),
    assignedHub: fc.jsonValue(),
    deviceId: fc.jsonValue(),
  });
  const stage = fc.oneof(fc.constantFrom('assigning', 'assigned', 'failed', 'disabled'), fc.jsonValue());
  const body = fc.oneof(
    fc.jsonValue(),
    fc.record({ status: stage, operationId: fc.jsonValue(), registrationState: fc.oneof(state, fc.jsonValue()) }),
  );
  const status = fc.integer({ min: 100, max: 999 });
  const registered: readonly string[] = ['poll', ...evidenceMatrix.wire.register];
  const pulled: readonly string[] = evidenceMatrix.sdk.getTwin;
  t.doesNotThrow(() => fc.assert(fc.property(status, body, (code, json) => registered.includes(readDpsReply(code, json).outcome))));
  t.doesNotThrow(() => fc.assert(fc.property(status, body, (code, json) => pulled.includes(readTwinReply(code, json).outcome))));
  t.doesNotThrow(() =>
    fc.assert(fc.property(fc.uint8Array(), (bytes) => parseJson(bytes) !== 0 || /0/.test(Buffer.from(bytes).toString()))),
  );
  t.equal(parseJson(Buffer.from('')), undefined);
});

t.test('the matrix names kinds that exist, each once', async (t) => {
  for (const [client, evidence] of Object.entries(evidenceMatrix)) {
    for (const [call, kinds] of Object.entries(evidence)) {
      t.equal(new Set<string>(kinds).size, kinds.length, `${client} ${call}`);
    }
  }
});
