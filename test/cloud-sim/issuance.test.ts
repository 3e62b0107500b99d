import 'reflect-metadata';
import { webcrypto, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { json } from 'node:stream/consumers';
import { PemConverter, Pkcs10CertificateRequestGenerator } from '@peculiar/x509';
import { buildSas, dpsResource } from '@zerotouch/azure-wire/sas';
import type { Cloud } from '@zerotouch/cloud-sim/cloud';
import t, { type Test } from 'tap';
import { makeAuthority } from './certificates.js';
import { cloudFor, derived, key, keyGroup, lastAttempt } from './clouds.js';
import { signIn } from './official-clients.js';
import { type DpsAnswer, Wire, wireRegister } from './wire.js';

const GROUP_KEY = key('line 7');
const ISSUING = '2025-07-01-preview';
const P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const KINDS = {
  'P-256': P256,
  'P-384': { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' },
  'RSA 2048': { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1) },
};

/** A signing request, and the private key that fits it, PEM. */
async function request(commonName: string, algorithm: object = P256): Promise<{ der: Buffer; key: string }> {
  const keys = (await webcrypto.subtle.generateKey(algorithm as webcrypto.EcKeyGenParams, true, [
    'sign',
    'verify',
  ])) as webcrypto.CryptoKeyPair;
  const made = await Pkcs10CertificateRequestGenerator.create(
    { name: `CN=${commonName}`, keys, signingAlgorithm: algorithm as webcrypto.EcdsaParams },
    webcrypto,
  );
  const text = PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY');
  return { der: Buffer.from(made.rawData), key: text };
}

async function cloudWithPolicy(t: Test, more: object = { credentialPolicyName: 'line' }): Promise<Cloud> {
  const cloud = await cloudFor(t);
  await keyGroup(cloud, 'line-7', GROUP_KEY, more);
  return cloud;
}

async function registered(cloud: Cloud, id: string, body: { csr?: unknown; apiVersion?: string } = {}): Promise<DpsAnswer> {
  const wire = await Wire.to(cloud);
  try {
    return await wireRegister(wire, cloud, id, GROUP_KEY, { apiVersion: ISSUING, ...body });
  } finally {
    wire.end();
  }
}

for (const [kind, algorithm] of Object.entries(KINDS)) {
  t.test(`a device asks for a certificate over MQTT and signs in with it: ${kind}`, async (t) => {
    const cloud = await cloudWithPolicy(t);
    const { der, key: privateKey } = await request('dev-1', algorithm);
    const answer = await registered(cloud, 'dev-1', { csr: der.toString('base64') });
    t.match(answer, { code: 200, status: 'assigned' });
    const chain = (answer.registrationState?.issuedCertificateChain ?? []).map((text) => new X509Certificate(Buffer.from(text, 'base64')));
    const [leaf, line, root] = chain;
    if (leaf === undefined || line === undefined || root === undefined) return t.fail('no chain of three');
    t.equal(chain.length, 3);
    t.equal(leaf.subject, 'CN=dev-1');
    t.notOk(leaf.ca);
    t.ok(leaf.checkIssued(line) && leaf.verify(line.publicKey), 'the leaf is signed by the next');
    t.ok(line.ca && line.checkIssued(root) && line.verify(root.publicKey), 'which is signed by the root');
    t.ok(root.ca && root.checkIssued(root) && root.verify(root.publicKey));
    t.ok(Date.parse(leaf.validFrom) <= Date.now() && Date.parse(leaf.validTo) > Date.now());

    const hub = answer.registrationState?.assignedHub ?? '';
    const client = await signIn(cloud, hub, 'dev-1', { leaf: { cert: leaf.toString(), key: privateKey } });
    await client.close();
    t.match(await lastAttempt(cloud, 'dev-1'), { service: 'hub', outcome: 'signed-in' });
    await t.rejects(signIn(cloud, hub, 'dev-1', { key: derived(GROUP_KEY, 'dev-1') }), 'the onboarding credential is none of the hub');
  });
}

t.test('a device that asks again gets another certificate of the same authority, and the first one is void', async (t) => {
  const cloud = await cloudWithPolicy(t);
  const asked = await request('dev-1');
  const csr = asked.der.toString('base64');
  const first = await registered(cloud, 'dev-1', { csr });
  const second = await registered(cloud, 'dev-1', { csr });
  const [old, ...above] = first.registrationState?.issuedCertificateChain ?? [];
  const [renewed, ...aboveAgain] = second.registrationState?.issuedCertificateChain ?? [];
  t.not(old, renewed);
  t.strictSame(above, aboveAgain);
  const hub = second.registrationState?.assignedHub ?? '';
  const proof = (der = '') => ({ leaf: { cert: new X509Certificate(Buffer.from(der, 'base64')).toString(), key: asked.key } });
  await t.rejects(signIn(cloud, hub, 'dev-1', proof(old)));
  await (await signIn(cloud, hub, 'dev-1', proof(renewed))).close();
});

t.test('what is issued is told to polls of a version that knows it, and nowhere else', async (t) => {
  const cloud = await cloudWithPolicy(t);
  const { der } = await request('dev-1');
  await registered(cloud, 'dev-1', { csr: der.toString('base64') });
  const resource = dpsResource(cloud.dps.idScope, 'dev-1');
  const sas = {
    resource,
    key: Buffer.from(derived(GROUP_KEY, 'dev-1'), 'base64'),
    expiry: Date.now() / 1000 + 60,
    keyName: 'registration',
  };
  const lookUp = async (body: object): Promise<{ status: number | undefined; body: object }> => {
    const asked = httpsRequest({
      host: '127.0.0.1',
      port: cloud.dps.httpsPort,
      servername: 'localhost',
      ca: cloud.ca,
      method: 'POST',
      path: `/${cloud.dps.idScope}/registrations/dev-1?api-version=${ISSUING}`,
      headers: { authorization: buildSas(sas), 'content-type': 'application/json' },
    }).end(JSON.stringify(body));
    const [response] = (await once(asked, 'response')) as [IncomingMessage];
    return { status: response.statusCode, body: (await json(response)) as object };
  };
  const state = await lookUp({ registrationId: 'dev-1' });
  t.match(state, { status: 200, body: { status: 'assigned' } });
  t.notHas(state.body, 'issuedCertificateChain', 'not in the status lookup');
  t.match(await lookUp({ registrationId: 'dev-1', csr: der.toString('base64') }), { status: 400, body: { errorCode: 400004 } });
  t.match(await lastAttempt(cloud, 'dev-1'), { reason: { rule: 'request-body', seen: 'a member csr' } });
  t.notHas((await cloud.registrations())[0], 'issuedCertificateChain');
});

t.test('an older version knows no csr: it is not looked at', async (t) => {
  const cloud = await cloudWithPolicy(t);
  for (const apiVersion of ['2019-03-31', '2021-06-01', '2021-10-01', '2021-11-01-preview']) {
    const answer = await registered(cloud, 'dev-1', { csr: 'garbage', apiVersion });
    t.match(answer, { code: 200, status: 'assigned' }, apiVersion);
    t.notHas(answer.registrationState, 'issuedCertificateChain');
    const hub = answer.registrationState?.assignedHub ?? '';
    await (await signIn(cloud, hub, 'dev-1', { key: derived(GROUP_KEY, 'dev-1') })).close();
  }
});

t.test('an enrolment with a policy lets in devices that ask for no certificate', async (t) => {
  const cloud = await cloudWithPolicy(t);
  const answer = await registered(cloud, 'dev-1');
  t.match(answer, { code: 200, status: 'assigned' });
  t.notHas(answer.registrationState, 'issuedCertificateChain');
});

t.test('a csr that cannot be served is a bad request, and nothing is registered', async (t) => {
  const cloud = await cloudWithPolicy(t);
  const good = (await request('dev-1')).der;
  const damaged = Buffer.from(good);
  damaged.writeUInt8(damaged.readUInt8(damaged.length - 3) ^ 1, damaged.length - 3);
  const base64 = (der: Buffer) => der.toString('base64');
  for (const [what, csr, rule] of [
    ['another name', base64((await request('dev-2')).der), 'csr-name'],
    ['a name with more to it', base64((await request('dev-1\\, line 7')).der), 'csr-name'],
    ['two names', base64((await request('dev-1,CN=dev-1')).der), 'csr-name'],
    ['a damaged signature', base64(damaged), 'csr-signature'],
    ['cut short', base64(good.subarray(0, 60)), 'csr-form'],
    ['PEM armour', PemConverter.encode(good, 'CERTIFICATE REQUEST'), 'csr-form'],
    ['garbage', base64(Buffer.from('no signing request')), 'csr-form'],
    ['no base64', '%%%%', 'csr-form'],
    ['empty', '', 'csr-form'],
    ['no text', 7, 'csr-form'],
    ['a certificate', base64(Buffer.from((await makeAuthority('dev-1')).certificate.rawData)), 'csr-form'],
  ] as const) {
    t.match(await registered(cloud, 'dev-1', { csr }), { code: 400, errorCode: 400004 }, what);
    t.match(await lastAttempt(cloud, 'dev-1'), {
      outcome: 'refused',
      reason: { rule, text: String, seen: String, expected: String, nearest: String, remedy: String },
    });
  }
  t.strictSame(await cloud.registrations(), []);
});

t.test('an enrolment without a policy issues nothing', async (t) => {
  const cloud = await cloudWithPolicy(t, {});
  t.match(await registered(cloud, 'dev-1', { csr: (await request('dev-1')).der.toString('base64') }), { code: 400, errorCode: 400004 });
  t.match(await lastAttempt(cloud, 'dev-1'), { reason: { rule: 'csr-policy', nearest: /credentialPolicyName/ } });
});

t.test('who is not let in learns nothing of its csr', async (t) => {
  const cloud = await cloudWithPolicy(t, { provisioningStatus: 'disabled', credentialPolicyName: 'line' });
  t.match(await registered(cloud, 'dev-1', { csr: 'garbage' }), { code: 401 });
});

t.test('a trust bundle is told by the one preview that has it', async (t) => {
  const ca = (await makeAuthority('Plant root')).pem;
  const cloud = await cloudFor(t, { trustBundles: [{ id: 'plant', certificates: [ca] }] });
  await keyGroup(cloud, 'line-7', GROUP_KEY, { trustBundleId: 'plant' });
  const answer = await registered(cloud, 'dev-1', { apiVersion: '2021-11-01-preview' });
  const date = /^\d{4}-\d\d-\d\dT.*\.\d{7}Z$/;
  t.match(answer.registrationState?.trustBundle, {
    id: 'plant',
    certificates: [{ metadata: { subjectName: 'CN=Plant root', sha256Thumbprint: /^[0-9A-F]{64}$/ } }],
    createdDateTime: date,
    lastModifiedDateTime: date,
    etag: /^"[0-9a-f]+"$/,
  });
  t.equal(new X509Certificate(answer.registrationState?.trustBundle?.certificates[0]?.certificate ?? '').subject, 'CN=Plant root');
  for (const apiVersion of ['2019-03-31', '2021-06-01', '2021-10-01', ISSUING]) {
    t.notHas((await registered(cloud, 'dev-1', { apiVersion })).registrationState, 'trustBundle', apiVersion);
  }
  await keyGroup(cloud, 'line-7', GROUP_KEY, { trustBundleId: 'elsewhere' });
  t.notHas(
    (await registered(cloud, 'dev-1', { apiVersion: '2021-11-01-preview' })).registrationState,
    'trustBundle',
    'one that is not there',
  );
  await keyGroup(cloud, 'line-7', GROUP_KEY);
  t.notHas((await registered(cloud, 'dev-1', { apiVersion: '2021-11-01-preview' })).registrationState, 'trustBundle', 'none is named');
});

t.test('trust bundles that cannot be served stop the cloud from starting', async (t) => {
  const { pem } = await makeAuthority('Plant root');
  const bundle = { id: 'plant', certificates: [pem] };
  await t.rejects(cloudFor(t, { trustBundles: [bundle, bundle] }), { code: 'BAD_OPTIONS' });
  await t.rejects(cloudFor(t, { trustBundles: [{ id: 'plant', certificates: ['no certificate'] }] }), { code: 'CERTIFICATE_UNREADABLE' });
});
