import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Cloud } from '@zerotouch/cloud-sim/cloud';
import { makeServerIdentity } from '@zerotouch/cloud-sim/doors/authority';
import t, { type Test } from 'tap';
import { issue, makeAuthority, prove } from './certificates.js';
import { cloudFor, derived, key, keyGroup, lastAttempt } from './clouds.js';
import { registerOver } from './doors/clients.js';
import { SoftTpm } from './doors/soft-tpm.js';
import { register } from './official-clients.js';
import { Wire, wireAsk, wireRegister, wireSignIn } from './wire.js';

const GROUP_KEY = key('line 7');
const proof = (id: string) => ({ key: derived(GROUP_KEY, id) });

/** What a webhook was sent. */
interface Question {
  url: string | undefined;
  body: { linkedHubs: string[]; deviceRuntimeContext: Record<string, unknown>; enrollmentGroup: Record<string, unknown> };
}

type Answer = (question: Question, response: ServerResponse) => void;

/** A webhook that answers as it is told. */
async function webhook(t: Test, answer: Answer, tls?: { cert: string; key: string }): Promise<{ url: string; asked: Question[] }> {
  const asked: Question[] = [];
  const hear = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const question = { url: request.url, body: JSON.parse(Buffer.concat(chunks).toString()) as Question['body'] };
    asked.push(question);
    answer(question, response);
  };
  const server = tls === undefined ? createServer(hear) : createTlsServer(tls, hear);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `${tls === undefined ? 'http' : 'https'}://localhost:${port}/allocate?code=function-key`, asked };
}

async function customGroup(cloud: Cloud, webhookUrl: string, more: object = {}): Promise<void> {
  await keyGroup(cloud, 'line-7', GROUP_KEY, {
    allocationPolicy: 'custom',
    customAllocationDefinition: { webhookUrl, apiVersion: '2021-10-01' },
    ...more,
  });
}

const json =
  (value: unknown, status = 200): Answer =>
  (_, response) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(typeof value === 'string' ? value : JSON.stringify(value));

t.test('a webhook over HTTPS decides; payloads go both ways, and its initial twin counts', async (t) => {
  const identity = await makeServerIdentity(['localhost']);
  const cloud = await cloudFor(t, { webhookCa: identity.ca });
  const [first, second] = cloud.hubs.map(({ host }) => host) as [string, string];
  const initialTwin = { tags: { from: 'webhook' }, properties: { desired: { rate: 2 } } };
  const { url, asked } = await webhook(
    t,
    ({ body: { linkedHubs } }, response) =>
      json({ iotHubHostName: linkedHubs.at(-1), initialTwin, payload: { hello: 'device' } })({} as Question, response),
    { cert: identity.certificate, key: identity.privateKey },
  );
  await customGroup(cloud, url, { iotHubs: [first, second], initialTwin: { tags: { from: 'enrolment' } } });

  const wire = await Wire.to(cloud);
  const answer = await wireRegister(wire, cloud, 'dev-1', GROUP_KEY, { payload: { model: 'pump', list: [1, null] } });
  wire.end();

  t.match(answer, {
    status: 'assigned',
    registrationState: { status: 'assigned', assignedHub: second, substatus: 'initialAssignment', payload: { hello: 'device' } },
  });
  t.strictSame((await cloud.hub(second).twin('dev-1')).tags, { from: 'webhook' });
  t.equal(asked[0]?.url, '/allocate?code=function-key');
  t.match(asked[0]?.body, {
    linkedHubs: [first, second],
    deviceRuntimeContext: { registrationId: 'dev-1', symmetricKey: {}, payload: { model: 'pump', list: [1, null] } },
    enrollmentGroup: {
      enrollmentGroupId: 'line-7',
      attestation: { type: 'symmetricKey', symmetricKey: {} },
      customAllocationDefinition: { webhookUrl: /^https:\/\/localhost:\d+\/allocate\?\*\*\*\*$/ },
    },
  });
  t.notMatch(JSON.stringify(asked), GROUP_KEY);

  await register(cloud, 'dev-1', proof('dev-1'));
  t.match(asked[1]?.body.deviceRuntimeContext, { currentIotHubHostName: second, currentDeviceId: 'dev-1' });
});

t.test('a webhook sees by which certificate or TPM a device was let in', async (t) => {
  const cloud = await cloudFor(t);
  const { url, asked } = await webhook(t, ({ body: { linkedHubs } }, response) =>
    json({ iotHubHostName: linkedHubs[0] })({} as Question, response),
  );
  const custom = { allocationPolicy: 'custom' as const, customAllocationDefinition: { webhookUrl: url, apiVersion: '2021-10-01' } };
  const line = await makeAuthority('Line 7');
  const leaf = await issue(line, 'dev-1');
  const signingCertificates = { primary: { certificate: line.pem } };
  await cloud.enrolments.putCertificate(await prove('line-7', line));
  await cloud.enrolments.putGroup({ enrollmentGroupId: 'line-7', attestation: { type: 'x509', x509: { signingCertificates } }, ...custom });
  t.match(await register(cloud, 'dev-1', { leaf }), { status: 'assigned' });
  const sha256Thumbprint = new X509Certificate(leaf.cert).fingerprint256.replaceAll(':', '');
  t.match(asked[0]?.body, {
    enrollmentGroup: { provisioningStatus: 'enabled' },
    deviceRuntimeContext: {
      registrationId: 'dev-1',
      x509: {
        certificateInfo: { subjectName: 'CN=dev-1', issuerName: 'CN=Line 7', sha256Thumbprint },
        signingCertificateInfo: { subjectName: 'CN=Line 7' },
      },
    },
  });

  const tpm = new SoftTpm('tpm-1');
  const [endorsementKey, storageRootKey] = [tpm.endorsementKey, tpm.storageRootKey].map((area) => area.toString('base64'));
  const attestation = { type: 'tpm' as const, tpm: { endorsementKey: endorsementKey ?? '' } };
  await cloud.enrolments.putIndividual({ registrationId: 'tpm-1', attestation, ...custom });
  for (const transport of ['amqp', 'http'] as const) {
    await registerOver(cloud, transport, 'tpm-1', { security: tpm });
    t.strictSame(asked.at(-1)?.body.deviceRuntimeContext.tpm, { endorsementKey, storageRootKey }, transport);
  }
});

t.test('a device that never moves is asked about with its own hub only', async (t) => {
  const cloud = await cloudFor(t);
  const { url, asked } = await webhook(t, ({ body: { linkedHubs } }, response) =>
    json({ iotHubHostName: linkedHubs[0] })({} as Question, response),
  );
  await customGroup(cloud, url, { reprovisionPolicy: { updateHubAssignment: false, migrateDeviceData: false } });
  const { assignedHub } = await register(cloud, 'dev-1', proof('dev-1'));
  t.match(await register(cloud, 'dev-1', proof('dev-1')), { assignedHub, substatus: 'reprovisionedToInitialAssignment' });
  t.equal(asked[0]?.body.linkedHubs.length, 3);
  t.strictSame(asked[1]?.body.linkedHubs, [assignedHub]);
});

t.test('a webhook that fails the device', async (t) => {
  let answer: Answer = json({});
  const cloud = await cloudFor(t);
  const { url } = await webhook(t, (question, response) => answer(question, response));
  await customGroup(cloud, url);
  const cases: [string, Answer, number, string, object][] = [
    ['status', json({}, 500), 400207, 'Custom allocation failed with status code: 500', { rule: 'webhook-status', seen: 'status 500' }],
    ['key', json({}, 401), 400207, 'Custom allocation failed with status code: 401', { rule: 'webhook-status', remedy: /function key/ }],
    ['text', json('no json'), 400207, 'answer', { rule: 'webhook-answer', seen: 'no json' }],
    ['nothing', json({ hub: 'x' }), 400207, 'answer', { rule: 'webhook-answer', text: /names no iotHubHostName/ }],
    [
      'twin',
      json({ iotHubHostName: cloud.hubs[0]?.host, initialTwin: { tags: { 'a.b': 1 } } }),
      400207,
      'answer',
      { rule: 'webhook-answer', text: /initialTwin/ },
    ],
    [
      'foreign',
      json({ iotHubHostName: 'elsewhere.azure-devices.net' }),
      400208,
      'hub',
      { rule: 'webhook-hub', seen: 'elsewhere.azure-devices.net' },
    ],
  ];
  const fails = async (at: Cloud, id: string, errorCode: number, message: string, reason: object): Promise<void> => {
    const wire = await Wire.to(at);
    const reply = await wireRegister(wire, at, id, GROUP_KEY);
    wire.end();
    t.match(reply, { code: 200, status: 'failed', registrationState: { errorCode, errorMessage: new RegExp(message) } }, id);
    const attempt = await lastAttempt(at, id);
    t.match(attempt, { outcome: 'failed', wire: { status: 200, errorCode }, reason }, id);
    t.notMatch(JSON.stringify(attempt), 'function-key', `${id}: the function key is a secret`);
  };
  for (const [id, told, errorCode, message, reason] of cases) {
    answer = told;
    await fails(cloud, id, errorCode, message, reason);
  }
  answer = () => {};
  const impatient = await cloudFor(t, { webhookTimeoutSeconds: 0.3 });
  await customGroup(impatient, url);
  await fails(impatient, 'silent', 400207, 'did not answer', { rule: 'webhook-timeout', seen: /0\.3 s/ });
  await customGroup(cloud, 'http://127.0.0.1:9/nobody');
  const wire = await Wire.to(cloud);
  await wireRegister(wire, cloud, 'gone', GROUP_KEY);
  wire.end();
  t.match(await lastAttempt(cloud, 'gone'), { wire: { errorCode: 400207 }, reason: { rule: 'webhook-unreachable', seen: 'ECONNREFUSED' } });
});

t.test('while the webhook thinks, the device is told to wait', async (t) => {
  const cloud = await cloudFor(t);
  let release: (() => void) | undefined;
  const asked = new Promise<void>((resolve) => {
    release = resolve;
  });
  let answer: (() => void) | undefined;
  const { url } = await webhook(t, ({ body: { linkedHubs } }, response) => {
    answer = () => json({ iotHubHostName: linkedHubs[0] })({} as Question, response);
    release?.();
  });
  await customGroup(cloud, url);
  const wire = await Wire.to(cloud);
  await wireSignIn(wire, cloud, 'dev-1', GROUP_KEY);
  const first = await wireAsk(wire, '$dps/registrations/PUT/iotdps-register/?$rid=1');
  t.match(first, { code: 202, status: 'assigning', retryAfter: '0' });
  await asked;
  const poll = `$dps/registrations/GET/iotdps-get-operationstatus/?$rid=2&operationId=${first.operationId}`;
  t.match(await wireAsk(wire, poll), {
    code: 202,
    status: 'assigning',
    registrationState: { registrationId: 'dev-1', status: 'assigning' },
  });
  const done = once(cloud.events, 'registered');
  answer?.();
  await done;
  t.match(await wireAsk(wire, poll), { code: 200, status: 'assigned' });
  wire.end();
});

t.test('the definition is checked', async (t) => {
  const cloud = await cloudFor(t);
  const bad = [
    {},
    { customAllocationDefinition: { webhookUrl: 'no url', apiVersion: '2021-10-01' } },
    { customAllocationDefinition: { webhookUrl: 'https://a.b/c', apiVersion: '2017-01-01' } },
  ];
  for (const more of bad)
    await t.rejects(keyGroup(cloud, 'g', GROUP_KEY, { allocationPolicy: 'custom', ...more }), { code: 'BAD_ENROLMENT' });
});
