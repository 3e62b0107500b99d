import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import { json } from 'node:stream/consumers';
import { type Cloud, startCloud } from '@zerotouch/cloud-sim/cloud';
import fc from 'fast-check';
import { createLocalJWKSet, decodeJwt, type JSONWebKeySet, jwtVerify, SignJWT } from 'jose';
import t, { type Test } from 'tap';
import { cloudFor } from '../clouds.js';
import { ManualClock } from '../manual-clock.js';
import { managerOf, SUBSCRIPTION } from './manager.js';

t.test('who shows the secret gets a token that anybody can check, and it opens the resource manager', async (t) => {
  const cloud = await cloudFor(t);
  const { endpoint, clientId } = cloud.arm;
  const { call, token } = await managerOf(t, cloud);
  t.match(await call('GET', '/metadata/endpoints', { authorization: undefined }), {
    body: { resourceManager: endpoint, authentication: { loginEndpoint: `${endpoint}/adfs`, identityProvider: 'ADFS' } },
  });
  const { body: discovery } = await call('GET', '/adfs/.well-known/openid-configuration', { authorization: undefined });
  t.match(discovery, { issuer: `${endpoint}/adfs`, token_endpoint: `${endpoint}/adfs/oauth2/v2.0/token` });
  const { body: keys } = await call<JSONWebKeySet>('GET', '/adfs/discovery/keys', { authorization: undefined });
  const { payload } = await jwtVerify(token, createLocalJWKSet(keys), { audience: endpoint });
  t.match(payload, { sub: clientId, appid: clientId });
  t.equal((payload.exp ?? 0) - (payload.iat ?? 0), 3600);
  t.match(await call('GET', '/tenants'), { status: 200, body: { value: [{ tenantId: cloud.arm.tenant }] } });
  t.match(await call('GET', '/subscriptions'), { body: { value: [{ subscriptionId: SUBSCRIPTION, state: 'Enabled' }, {}] } });
});

t.test('a wrong secret, another client, another kind of grant and another audience are refused', async (t) => {
  const cloud = await cloudFor(t);
  const { clientId, clientSecret, endpoint } = cloud.arm;
  const good = { grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret, scope: `${endpoint}/.default` };
  t.match(await ask(t, cloud, good), { token_type: 'Bearer', access_token: /\./ });
  const { scope: _, ...rest } = good;
  t.match(await ask(t, cloud, { ...rest, resource: 'https://management.azure.com/' }), { access_token: /\./ });
  t.match(await ask(t, cloud, { ...good, client_secret: 'wrong' }), { error: 'invalid_client', error_description: /--print-az/ });
  t.match(await ask(t, cloud, { ...good, client_id: 'x' }), { error: 'invalid_client' });
  t.match(await ask(t, cloud, { ...good, grant_type: 'password' }), { error: 'unsupported_grant_type' });
  t.match(await ask(t, cloud, { ...good, scope: 'https://vault.azure.net/.default' }), { error: 'invalid_scope' });
  t.match(await ask(t, cloud, {}), { error: 'unsupported_grant_type' });
});

t.test('a token that is none, is of another, or has expired opens nothing', async (t) => {
  const clock = new ManualClock(Date.now());
  const cloud = await cloudFor(t, { clock });
  const { call, token } = await managerOf(t, cloud);
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const forged = await new SignJWT(decodeJwt(token)).setProtectedHeader({ alg: 'ES256', kid: 'local' }).sign(privateKey);
  const plain = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url');
  const unsigned = `${plain}.${token.split('.')[1]}.`;
  for (const authorization of [undefined, 'Bearer', 'Bearer x', 'Basic eDp5', `Bearer ${forged}`, `Bearer ${unsigned}`]) {
    const answer = await call('GET', '/subscriptions', { authorization });
    t.match(answer, { status: 401, body: { error: { code: 'InvalidAuthenticationToken' } } }, String(authorization).slice(0, 20));
    t.match(answer.headers['www-authenticate'], /^Bearer authorization_uri="https:\/\/localhost:\d+\/adfs"/);
  }
  t.equal((await call('GET', '/subscriptions')).status, 200);
  clock.advance(3_601_000);
  t.match(await call('GET', '/subscriptions'), { status: 401, body: { error: { message: /exp/ } } });
});

t.test('secret and tokens are good again after a restart', async (t) => {
  const data = t.testdir();
  const first = await startCloud({ data });
  const { clientSecret } = first.arm;
  const { token } = await managerOf(t, first);
  await first.close();
  const second = await cloudFor(t, { data });
  t.equal(second.arm.clientSecret, clientSecret);
  const { call } = await managerOf(t, second);
  t.equal((await call('GET', '/subscriptions', { authorization: `Bearer ${token}` })).status, 200);
});

t.test('whatever is asked of the sign-in, it refuses in due form', async (t) => {
  const cloud = await cloudFor(t);
  const { call } = await managerOf(t, cloud);
  const { clientId, clientSecret } = cloud.arm;
  const field = fc.constantFrom('grant_type', 'client_id', 'client_secret', 'scope', 'resource', '__proto__', 'x');
  const value = fc.oneof(
    fc.constantFrom<unknown>('client_credentials', clientId, clientSecret.slice(1), '', 'https://localhost/.default', 1, null, {}, []),
    fc.string(),
  );
  const form = fc.array(fc.tuple(field, value), { maxLength: 6 });
  const paths = fc.constantFrom('/adfs/oauth2/token', '/adfs/oauth2/v2.0/token', '/ADFS/oauth2/v2.0/token/');
  const known = [['grant_type', 'client_credentials'] as const, ['client_id', clientId] as const];
  await fc.assert(
    fc.asyncProperty(paths, form, fc.boolean(), fc.boolean(), async (path, fields, isJson, isNear) => {
      const all = isNear ? [...known, ...fields] : fields;
      const body = isJson
        ? JSON.stringify(Object.fromEntries(all))
        : new URLSearchParams(all.map(([name, value]): [string, string] => [name, String(value)])).toString();
      const headers = { 'content-type': isJson ? 'application/json' : 'application/x-www-form-urlencoded' };
      const { status, body: told } = await call('POST', path, { body, headers, authorization: undefined });
      if (![400, 401].includes(status)) throw new Error(`${status} ${JSON.stringify(told)}`);
      // JSON that cannot be read is refused before anybody looks whether it is a form.
      if (!('error_description' in told) && !(isJson && 'error' in told)) throw new Error(JSON.stringify(told));
    }),
    { numRuns: 100, seed: Number(process.env.ZT_FUZZ_SEED ?? 20_260_101) },
  );
  for (const odd of [{ client_id: 1 }, { scope: {} }, { client_secret: null }, { resource: [] }]) {
    const body = { ...Object.fromEntries(known), client_secret: clientSecret, ...odd };
    const { status } = await call('POST', '/adfs/oauth2/v2.0/token', { body, authorization: undefined });
    t.ok([400, 401].includes(status), JSON.stringify(odd));
  }
  const secret = new URLSearchParams({ client_secret: clientSecret, client_id: clientId, grant_type: 'password' }).toString();
  const refused = await call('POST', '/adfs/oauth2/v2.0/token', {
    body: secret,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  });
  t.notMatch(JSON.stringify(refused.body), clientSecret, 'no answer holds the secret');
});

t.test('whatever comes, the answer is one of the resource manager, and nothing breaks', async (t) => {
  const cloud = await cloudFor(t);
  const { call } = await managerOf(t, cloud);
  const part = fc.oneof(
    fc.constantFrom('resourceGroups', 'zerotouch', 'providers', 'Microsoft.Devices', 'provisioningServices', 'IotHubs', 'listkeys', 'x'),
    fc.constantFrom('%', '%zz', '%00', '%2F', '__proto__', 'x'.repeat(500)),
    fc.string({ maxLength: 12 }).map(encodeURIComponent),
  );
  const value = fc.oneof(fc.json(), fc.string(), fc.constant('{"location":"x","sku":{"name":"S1"},"properties":{"iotHubs":[null]}}'));
  const hub = `/subscriptions/${SUBSCRIPTION}/resourceGroups/zerotouch/providers/Microsoft.Devices`;
  const path = fc.oneof(
    fc.array(part, { maxLength: 8 }).map((parts) => `/subscriptions/${SUBSCRIPTION}/${parts.join('/')}`),
    fc.tuple(fc.constantFrom('IotHubs', 'provisioningServices'), part).map(([type, name]) => `${hub}/${type}/${name}`),
  );
  await fc.assert(
    fc.asyncProperty(fc.constantFrom('GET', 'PUT', 'POST', 'PATCH', 'DELETE'), path, value, async (method, path, body) => {
      const { status } = await call(method, path, method === 'GET' ? {} : { body });
      if (status >= 500) throw new Error(`${method} ${path} was answered with ${status}`);
    }),
    { numRuns: 150 },
  );
  t.match(await call('PUT', `${hub}/IotHubs/x`, { body: `"${'x'.repeat(2 ** 20)}"` }), { status: 413 });
  t.equal((await call('GET', '/subscriptions')).status, 200);
});

async function ask(t: Test, cloud: Cloud, form: Record<string, string>): Promise<unknown> {
  const agent = new Agent({ ca: cloud.ca });
  t.teardown(() => agent.destroy());
  const request = httpsRequest(`${cloud.arm.endpoint}/adfs/oauth2/v2.0/token`, {
    method: 'POST',
    agent,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  });
  request.end(new URLSearchParams(form).toString());
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return json(response);
}
