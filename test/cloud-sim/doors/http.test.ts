import { once } from 'node:events';
import { request } from 'node:https';
import { connect } from 'node:tls';
import type { Cloud } from '@zerotouch/cloud-sim/cloud';
import t from 'tap';
import { issue, type Leaf, makeAuthority } from '../certificates.js';
import { cloudFor, derived, key, lastAttempt } from '../clouds.js';
import { registerOver } from './clients.js';
import { enrolled, groupKey, line, token } from './enrolled.js';

t.test('the official client registers over HTTPS', async (t) => {
  const cloud = await enrolled(await cloudFor(t));
  for (const [id, proof] of [
    ['dev-key', { key: derived(groupKey, 'dev-key') }],
    ['dev-cert', { leaf: await issue(line, 'dev-cert') }],
  ] as const) {
    t.match(await registerOver(cloud, 'http', id, proof), { deviceId: id, status: 'assigned', substatus: 'initialAssignment' });
    t.match(await lastAttempt(cloud, id), { transport: 'http', service: 'dps', outcome: 'assigned' });
  }
  await t.rejects(registerOver(cloud, 'http', 'dev-2', { key: key('other') }), { name: 'UnauthorizedError' });
  t.match(await lastAttempt(cloud, 'dev-2'), {
    transport: 'http',
    wire: { status: 401, errorCode: 401000 },
    reason: { rule: 'sas-signature' },
  });
});

t.test('register and poll, as they are on the wire', async (t) => {
  const cloud = await enrolled(await cloudFor(t, { retryAfterSeconds: 1.5 }));
  const headers = { authorization: token(cloud, 'dev-1'), 'content-type': 'application/json; charset=utf-8' };
  const body = JSON.stringify({ registrationId: 'dev-1' });
  t.match(await call(cloud, 'POST', '/registrations/dev-1', { headers, body }), { status: 404, body: { errorCode: 404201 } });
  const started = await call(cloud, 'PUT', '/registrations/dev-1/register', { headers, body });
  t.match(started, {
    status: 202,
    headers: {
      'retry-after': '2',
      'content-type': 'application/json; charset=utf-8',
      'strict-transport-security': String,
      'x-ms-request-id': String,
    },
    body: { status: 'assigning', operationId: String },
  });
  const location = new URL(String(started.headers.location));
  t.equal(location.pathname, `/${cloud.dps.idScope}/registrations/dev-1/operations/${started.body.operationId}`);
  const finished = await call(cloud, 'GET', `/registrations/dev-1/operations/${started.body.operationId}`, { headers });
  t.match(finished, { status: 200, body: { status: 'assigned', registrationState: { deviceId: 'dev-1', status: 'assigned' } } });
  t.equal(finished.headers['retry-after'], undefined);
  t.match(await call(cloud, 'POST', '/registrations/dev-1', { headers, body }), {
    status: 200,
    body: { status: 'assigned', deviceId: 'dev-1' },
  });
  t.match(await call(cloud, 'PUT', '/Registrations/DEV-1/REGISTER', { headers }), { status: 202 }, 'case does not matter, nor a body');
});

t.test('refusals carry a status, headers and a JSON body that agree', async (t) => {
  const cloud = await enrolled(await cloudFor(t));
  const good = token(cloud, 'dev-1');
  const cases: [string, number, number, Promise<Answer>][] = [
    ['no credential', 401, 401000, call(cloud, 'PUT', '/registrations/dev-1/register')],
    ['no SAS token', 401, 401000, register(cloud, { authorization: 'Bearer abc' })],
    ['a token for another device', 401, 401000, register(cloud, { authorization: token(cloud, 'dev-2') })],
    ['a stranger’s certificate', 401, 401002, call(cloud, 'PUT', '/registrations/dev-9/register', { leaf: await stranger() })],
    ['another ID scope', 401, 401002, register(cloud, { authorization: good }, { scope: '0ne12345678' })],
    [
      'an impossible registration id',
      400,
      400004,
      call(cloud, 'PUT', '/registrations/dev%2F1/register', { headers: { authorization: good } }),
    ],
    ['no api-version', 400, 400004, register(cloud, { authorization: good }, { version: '' })],
    ['a body that is no JSON', 400, 400004, register(cloud, { authorization: good }, { body: '{' })],
    ['a body for another device', 400, 400004, register(cloud, { authorization: good }, { body: '{"registrationId":"dev-2"}' })],
    ['a type that is no JSON', 415, 415000, register(cloud, { authorization: good, 'content-type': 'text/xml' }, { body: '<a/>' })],
    ['an unknown operation', 404, 404202, call(cloud, 'GET', '/registrations/dev-1/operations/4.1', { headers: { authorization: good } })],
    ['another method', 405, 405000, call(cloud, 'DELETE', '/registrations/dev-1/register', { headers: { authorization: good } })],
    ['another path', 404, 404000, call(cloud, 'PUT', '/registrations/dev-1/elsewhere', { headers: { authorization: good } })],
    ['no registration id', 404, 404000, call(cloud, 'PUT', '/registrations/', { headers: { authorization: good } })],
  ];
  for (const [name, status, errorCode, answer] of cases) {
    const { body, headers, ...rest } = await answer;
    t.match({ ...rest, errorCode: body.errorCode }, { status, errorCode }, name);
    t.equal(headers['x-ms-error-code'], String(errorCode), name);
    t.equal(headers['x-ms-request-id'], body.trackingId, name);
    t.match(body, { message: String, timestampUtc: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z$/ }, name);
  }
});

t.test('a body that is too long is refused before it is all there', async (t) => {
  const cloud = await enrolled(await cloudFor(t));
  const socket = connect({ host: 'localhost', port: cloud.dps.httpsPort, ca: cloud.ca });
  await once(socket, 'secureConnect');
  const path = `/${cloud.dps.idScope}/registrations/dev-1/register?api-version=2021-06-01`;
  socket.write(`PUT ${path} HTTP/1.1\r\nhost: localhost\r\nauthorization: ${token(cloud, 'dev-1')}\r\ncontent-length: 900000000\r\n\r\n`);
  socket.write(Buffer.alloc(200 * 1024, ' '));
  let answer = '';
  socket.setEncoding('utf8').on('data', (text: string) => {
    answer += text;
  });
  socket.on('error', () => {});
  await once(socket, 'close');
  t.match(answer, /^HTTP\/1\.1 413 /);
  t.match(await lastAttempt(cloud, 'dev-1'), { reason: { rule: 'request-size' } });
});

t.test('a request that never ends is given up, others go on', async (t) => {
  const cloud = await enrolled(await cloudFor(t, { connectTimeoutSeconds: 0.3 }));
  const path = `/${cloud.dps.idScope}/registrations/dev-1/register?api-version=2021-06-01`;
  const starts = [
    '',
    'PUT ',
    `PUT ${path} HTTP/1.1\r\nhost: localhost\r\n`,
    `PUT ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{`,
  ];
  const slow = starts.map((start) => {
    const socket = connect({ host: 'localhost', port: cloud.dps.httpsPort, ca: cloud.ca });
    socket.on('error', () => {});
    socket.write(start);
    return once(socket.resume(), 'close');
  });
  // Where all is slow, an honest request may be given up, too: it is made again.
  const served = async (): Promise<Answer> => {
    for (;;) {
      const answer = await register(cloud, { authorization: token(cloud, 'dev-1') }).catch(() => undefined);
      if (answer !== undefined && answer.status !== 408) return answer;
    }
  };
  t.match(await served(), { status: 202 });
  await Promise.all(slow);
  t.match(await served(), { status: 202 });
});

t.test('what nobody mounted is not found', async (t) => {
  const cloud = await cloudFor(t);
  t.match(await call(cloud, 'GET', '/nothing', { scope: 'elsewhere' }), { status: 404 });
});

interface Answer {
  status: number | undefined;
  headers: Record<string, unknown>;
  body: Record<string, unknown>;
}

interface Call {
  headers?: Record<string, string>;
  body?: string;
  scope?: string;
  version?: string;
  leaf?: Leaf;
}

async function stranger(): Promise<Leaf> {
  return issue(await makeAuthority('Elsewhere'), 'dev-9');
}

function register(cloud: Cloud, headers: Record<string, string>, more: Omit<Call, 'headers'> = {}): Promise<Answer> {
  return call(cloud, 'PUT', '/registrations/dev-1/register', { headers, ...more });
}

function call(cloud: Cloud, method: string, path: string, { headers, body, scope, version, leaf }: Call = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({
      host: 'localhost',
      port: cloud.dps.httpsPort,
      method,
      path: `/${scope ?? cloud.dps.idScope}${path}?api-version=${version ?? '2021-06-01'}`,
      ca: cloud.ca,
      agent: false,
      ...(leaf ?? {}),
      ...(headers === undefined ? {} : { headers }),
    });
    asked.on('error', reject);
    asked.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () =>
        resolve({
          status: response.statusCode,
          headers: response.headers,
          body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
        }),
      );
    });
    asked.end(body);
  });
}
