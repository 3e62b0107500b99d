import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buildDpsUserName } from '@zerotouch/azure-wire/dps-mqtt';
import { buildHubUserName } from '@zerotouch/azure-wire/hub-mqtt';
import { buildSas, dpsResource } from '@zerotouch/azure-wire/sas';
import { type Cloud, type CloudOptions, startCloud } from '@zerotouch/cloud-sim/cloud';
import type { Attempt, Rule } from '@zerotouch/cloud-sim/reasons';
import { rules } from '@zerotouch/cloud-sim/rules';
import { reasonsDocument } from '@zerotouch/scripts/docs/reasons';
import t from 'tap';
import { issue, type Leaf, makeAuthority, prove, withChain } from './certificates.js';
import { derived, key } from './clouds.js';
import { ManualClock } from './manual-clock.js';
import { type DpsAnswer, Wire, wireAsk, wireRegister, wireSignIn } from './wire.js';

const GROUP_KEY = key('line 7');

/** A cloud with a symmetric-key group `line-7` and an X.509 group `plant`, and what a test does to it. */
interface Scene {
  cloud: Cloud;
  clock: ManualClock;
  hub: string;
  group(more?: object): Promise<unknown>;
  /** Registers as a member of the group. */
  register(id?: string, body?: object): Promise<DpsAnswer>;
  /** Connects to DPS with this token (or none), and registers if it is let in. */
  dps(
    id: string,
    how?: { password?: string | undefined; leaf?: Leaf; userName?: string; clientId?: string; body?: string; apiVersion?: string },
  ): Promise<void>;
  /** Connects to a hub. */
  atHub(
    id: string,
    how?: { password?: string | undefined; hub?: string; userName?: string; clientId?: string; leaf?: Leaf },
  ): Promise<void>;
  token(id: string, how?: { key?: string | Buffer; resource?: string; expiry?: number; keyName?: string }): string;
}

const root = await makeAuthority('Root');
const line = await makeAuthority('Line 7', root);
const PAST = { notBefore: new Date(Date.now() - 2 * 86_400_000), notAfter: new Date(Date.now() - 86_400_000) };

/** How each refusal is brought about; the attempt is that of device `dev-1` unless another id is returned. */
const causes: Partial<Record<Rule, (scene: Scene) => Promise<unknown>>> = {
  'user-name': ({ dps }) => dps('dev-1', { userName: '0ne00000A1B/registrations/dev-1' }),
  'api-version': ({ dps, token }) => dps('dev-1', { apiVersion: '2015-01-01', password: token('dev-1') }),
  'client-id': ({ dps, token }) => dps('dev-1', { clientId: 'dev-2', password: token('dev-1') }),
  'id-scope': ({ dps }) =>
    dps('dev-1', { userName: buildDpsUserName({ idScope: '0ne00000A1C', registrationId: 'dev-1', apiVersion: '2021-06-01' }) }),
  'registration-id': async ({ dps, cloud }) => {
    await dps('cn-dev-1', { userName: `${cloud.dps.idScope}/registrations/CN=dev-1/api-version=2021-06-01` });
    return 'CN=dev-1';
  },
  'credential-missing': ({ dps }) => dps('dev-1'),
  'request-body': ({ dps, token }) => dps('dev-1', { password: token('dev-1'), body: 'no json' }),
  'request-id': ({ dps, token }) => dps('dev-1', { password: token('dev-1'), body: '{"registrationId":"dev-2"}' }),
  'request-size': ({ dps, token }) => dps('dev-1', { password: token('dev-1'), body: JSON.stringify({ payload: 'x'.repeat(100_000) }) }),
  'attestation-kind': async ({ cloud, dps, token }) => {
    const leaf = await issue(line, 'dev-1');
    await cloud.enrolments.putIndividual({
      registrationId: 'dev-1',
      attestation: { type: 'x509', x509: { clientCertificates: { primary: { certificate: leaf.cert } } } },
    });
    await dps('dev-1', { password: token('dev-1') });
  },
  'no-enrolment': async ({ cloud, dps, token }) => {
    await cloud.enrolments.deleteGroup('line-7');
    await cloud.enrolments.putIndividual({ registrationId: 'dev-7', attestation: { type: 'symmetricKey', symmetricKey: {} } });
    await dps('dev-1', { password: token('dev-1') });
  },
  'enrolment-disabled': async ({ group, dps, token }) => {
    await group({ provisioningStatus: 'disabled' });
    await dps('dev-1', { password: token('dev-1') });
  },
  'operation-unknown': async ({ cloud }) => {
    const wire = await Wire.to(cloud);
    await wireSignIn(wire, cloud, 'dev-1', GROUP_KEY);
    await wireAsk(wire, '$dps/registrations/GET/iotdps-get-operationstatus/?$rid=1&operationId=4.00.x');
    wire.end();
  },
  'sas-form': ({ dps }) => dps('dev-1', { password: 'HostName=x;SharedAccessKey=y' }),
  'sas-resource': ({ dps, token, cloud }) =>
    dps('dev-1', { password: token('dev-1', { resource: dpsResource(cloud.dps.idScope, 'dev-2') }) }),
  'sas-key-name': ({ dps, token }) => dps('dev-1', { password: token('dev-1', { keyName: 'registrations' }) }),
  'sas-expired': ({ dps, token }) => dps('dev-1', { password: token('dev-1', { expiry: 3600 }) }),
  'sas-signature': ({ dps, token }) => dps('dev-1', { password: token('dev-1', { key: key('another') }) }),
  'sas-group-key': ({ dps, token }) => dps('dev-1', { password: token('dev-1', { key: GROUP_KEY }) }),
  'sas-key-text': ({ dps, token }) => dps('dev-1', { password: token('dev-1', { key: Buffer.from(derived(GROUP_KEY, 'dev-1')) }) }),
  'sas-other-id': ({ dps, token }) => dps('dev-1', { password: token('dev-1', { key: derived(GROUP_KEY, 'DEV-1') }) }),
  'x509-common-name': async ({ dps }) => dps('dev-1', { leaf: withChain(await issue(line, 'dev-2'), line) }),
  'x509-not-yet-valid': async ({ dps }) =>
    dps('dev-1', { leaf: withChain(await issue(line, 'dev-1', { notBefore: new Date(Date.now() + 86_400_000) }), line) }),
  'x509-expired': async ({ dps }) => dps('dev-1', { leaf: withChain(await issue(line, 'dev-1', PAST), line) }),
  'x509-other-certificate': async ({ cloud, dps }) => {
    const [leaf, other] = await Promise.all([issue(line, 'dev-1'), issue(line, 'dev-1')]);
    await cloud.enrolments.putIndividual({
      registrationId: 'dev-1',
      attestation: { type: 'x509', x509: { clientCertificates: { primary: { certificate: leaf.cert } } } },
    });
    await dps('dev-1', { leaf: other });
  },
  'x509-chain-gap': async ({ dps }) => dps('dev-1', { leaf: await issue(line, 'dev-1') }),
  'x509-chain-invalid': async ({ dps }) => {
    const noCa = await makeAuthority('No CA', root, { ca: false });
    await dps('dev-1', { leaf: withChain(await issue(noCa, 'dev-1'), noCa) });
  },
  'x509-ca-expired': async ({ dps }) => {
    const old = await makeAuthority('Old line', root, PAST);
    await dps('dev-1', { leaf: withChain(await issue(old, 'dev-1'), old) });
  },
  'x509-same-name': async ({ dps }) => {
    const again = await makeAuthority('Root');
    await dps('dev-1', { leaf: await issue(again, 'dev-1') });
  },
  'x509-no-proof': async ({ cloud, dps }) => {
    const own = await makeAuthority('Own root');
    await cloud.enrolments.putGroup({
      enrollmentGroupId: 'own',
      attestation: { type: 'x509', x509: { signingCertificates: { primary: { certificate: own.pem } } } },
    });
    await dps('dev-1', { leaf: await issue(own, 'dev-1') });
  },
  'no-hub': async ({ cloud, register }) => {
    for (const { host } of cloud.hubs) await cloud.linkedHubs.unlink(host);
    await register();
  },
  'hub-unlinked': async ({ group, register }) => {
    await group({ iotHubs: ['elsewhere.azure-devices.net'] });
    await register();
  },
  'hub-taken-out': async ({ cloud, hub, group, register }) => {
    await group({ iotHubs: [hub] });
    await cloud.linkedHubs.update(hub, { applyAllocationPolicy: false });
    await register();
  },
  'hub-deleted': async ({ cloud, hub, group, register }) => {
    await group({ iotHubs: [hub] });
    await cloud.hubsAdmin.remove(hub);
    await register();
  },
  'hub-rights': async ({ cloud, hub, group, register }) => {
    await group({ iotHubs: [hub] });
    await cloud.hubsAdmin.putPolicy(hub, { name: 'iothubowner', rights: ['RegistryRead'] });
    await register();
  },
  'hub-unreachable': async ({ cloud, hub, group, register }) => {
    await group({ iotHubs: [hub] });
    await cloud.hubsAdmin.setReachable(hub, false);
    await register();
  },
  'hub-full': async ({ group, hub, register }) => {
    await group({ iotHubs: [hub] });
    await register('first');
    await register('second');
    return 'second';
  },
  'static-hubs': async ({ cloud, register }) => {
    await cloud.linkedHubs.setAllocationPolicy('static');
    await register();
  },
  'webhook-status': (scene) => byWebhook(scene, 500, '{}'),
  'webhook-timeout': (scene) => byWebhook(scene, 0, ''),
  'webhook-unreachable': async ({ group, register }) => {
    await group({
      allocationPolicy: 'custom',
      customAllocationDefinition: { webhookUrl: 'http://127.0.0.1:9/', apiVersion: '2021-10-01' },
    });
    await register();
  },
  'webhook-answer': (scene) => byWebhook(scene, 200, 'hello'),
  'webhook-hub': (scene) => byWebhook(scene, 200, '{"iotHubHostName":"hub-wue.azure-devices.net"}'),
  'throttled-registrations': async ({ register }) => {
    for (let count = 0; count < 3; count++) await register(`dev-${count}`);
    await register();
  },
  'throttled-polls': async ({ cloud, clock }) => {
    const wire = await Wire.to(cloud);
    await wireSignIn(wire, cloud, 'dev-1', GROUP_KEY);
    const { operationId } = await wireAsk(wire, '$dps/registrations/PUT/iotdps-register/?$rid=1');
    const poll = () => wireAsk(wire, `$dps/registrations/GET/iotdps-get-operationstatus/?$rid=2&operationId=${operationId}`);
    for (let count = 0; count < 5; count++) t.equal((await poll()).code, 200);
    t.match(await poll(), { code: 429, errorCode: 429001, retryAfter: '10' });
    clock.advance(10_000);
    t.equal((await poll()).code, 200, 'after retry-after it is served again');
    t.equal((await cloud.attempts('dev-1')).at(-1)?.reason.rule, 'throttled-polls');
    wire.end();
  },
  'hub-unknown': ({ atHub }) => atHub('dev-1', { hub: 'hub-wue.azure-devices.net' }),
  'hub-stranger': ({ atHub }) => atHub('dev-1'),
  'hub-moved': async ({ cloud, register, atHub }) => {
    const { registrationState } = await register();
    await atHub('dev-1', { hub: cloud.hubs.find(({ host }) => host !== registrationState?.assignedHub)?.host ?? '' });
  },
  'hub-policy': async ({ register, atHub, token }) => {
    const { registrationState } = await register();
    const hub = registrationState?.assignedHub ?? '';
    await atHub('dev-1', { hub, password: token('dev-1', { resource: hub, keyName: 'devices' }) });
  },
  'device-disabled': async ({ cloud, register, atHub, token }) => {
    const { registrationState } = await register();
    const hub = registrationState?.assignedHub ?? '';
    await cloud.hub(hub).setStatus('dev-1', 'disabled', 'stolen');
    await atHub('dev-1', { hub, password: token('dev-1', { resource: `${hub}/devices/dev-1` }) });
  },
  'module-unknown': async ({ register, atHub, token }) => {
    const { registrationState } = await register();
    const hub = registrationState?.assignedHub ?? '';
    const password = token('dev-1', { resource: `${hub}/devices/dev-1/modules/agent` });
    await atHub('dev-1', { hub, userName: `${hub}/dev-1/agent/?api-version=2021-04-12`, clientId: 'dev-1/agent', password });
  },
};

/** Rules that are not made here, but that another test of this room asks for by name. */
function madeElsewhere(): Set<string> {
  const names = readdirSync('test/cloud-sim', { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.test.ts') && name !== 'reasons.test.ts',
  );
  const texts = names.map((name) => readFileSync(`test/cloud-sim/${name}`, 'utf8'));
  return new Set(Object.keys(rules).filter((rule) => texts.some((text) => text.includes(`'${rule}'`))));
}

async function byWebhook({ group, register }: Scene, status: number, body: string): Promise<void> {
  const server = createServer((_, response) => (status === 0 ? undefined : response.writeHead(status).end(body)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await group({
    allocationPolicy: 'custom',
    customAllocationDefinition: { webhookUrl: `http://127.0.0.1:${port}/`, apiVersion: '2021-10-01' },
  });
  await register();
  server.closeAllConnections();
  server.close();
}

async function sceneFor(rule: Rule): Promise<Scene> {
  const limits: Partial<Record<Rule, NonNullable<CloudOptions['limits']>>> = {
    'hub-full': { devicesPerHub: 1 },
    'throttled-registrations': { registrationsPerMinute: 3 },
    'throttled-polls': 'azure',
  };
  const clock = new ManualClock(Date.now());
  const cloud = await startCloud({ clock, retryAfterSeconds: 0, regions: [], webhookTimeoutSeconds: 0.2, limits: limits[rule] ?? {} });
  const [hub = ''] = cloud.hubs.map(({ host }) => host);
  const group = (more: object = {}) =>
    cloud.enrolments.putGroup({
      enrollmentGroupId: 'line-7',
      attestation: { type: 'symmetricKey', symmetricKey: { primaryKey: GROUP_KEY } },
      ...more,
    });
  await group();
  await cloud.enrolments.putCertificate(await prove('plant', root));
  await cloud.enrolments.putGroup({
    enrollmentGroupId: 'plant',
    attestation: { type: 'x509', x509: { caReferences: { primary: 'plant' } } },
  });
  const token: Scene['token'] = (
    id,
    { key: by = derived(GROUP_KEY, id), resource, expiry = Date.now() / 1000 + 3600, keyName = 'registration' } = {},
  ) =>
    buildSas({
      resource: resource ?? dpsResource(cloud.dps.idScope, id),
      key: typeof by === 'string' ? Buffer.from(by, 'base64') : by,
      expiry,
      keyName,
    });
  const connect = async (clientId: string, username: string, password: string | undefined, leaf: Leaf | undefined) => {
    const wire = await Wire.to(cloud, leaf ?? {});
    const code = await wire.connect({ clientId, username, ...(password === undefined ? {} : { password: Buffer.from(password) }) });
    return { wire, code };
  };
  return {
    cloud,
    clock,
    hub,
    group,
    token,
    async register(id = 'dev-1', body = {}) {
      const wire = await Wire.to(cloud);
      const answer = await wireRegister(wire, cloud, id, GROUP_KEY, body);
      wire.end();
      return answer;
    },
    async dps(id, { password, leaf, userName, clientId = id, body = '', apiVersion = '2021-06-01' } = {}) {
      const name = userName ?? buildDpsUserName({ idScope: cloud.dps.idScope, registrationId: id, apiVersion });
      const { wire, code } = await connect(clientId, name, password, leaf);
      if (code === 0) {
        wire.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: '$dps/registrations/res/#', qos: 1 }] } as never);
        await wire.next();
        await wireAsk(wire, '$dps/registrations/PUT/iotdps-register/?$rid=1', body);
      }
      wire.end();
    },
    async atHub(id, { password, hub: at = hub, userName = buildHubUserName(at, id), clientId = id, leaf } = {}) {
      const shown =
        password ??
        buildSas({ resource: `${at}/devices/${id}`, key: Buffer.from(derived(GROUP_KEY, id), 'base64'), expiry: Date.now() / 1000 + 60 });
      (await connect(clientId, userName, shown, leaf)).wire.end();
    },
  };
}

for (const [rule, make] of Object.entries(causes) as [Rule, NonNullable<(typeof causes)[Rule]>][]) {
  t.test(rule, async (t) => {
    const scene = await sceneFor(rule);
    t.teardown(() => scene.cloud.close());
    const made = await make(scene);
    const id = typeof made === 'string' ? made : 'dev-1';
    const attempt: Attempt | undefined = (await scene.cloud.attempts(id)).findLast(
      ({ outcome }) => outcome === 'refused' || outcome === 'failed',
    );
    t.equal(attempt?.reason.rule, rule, JSON.stringify(attempt?.reason));
    for (const part of ['text', 'seen', 'expected', 'nearest', 'remedy'] as const)
      t.type(attempt?.reason[part], 'string', `${part}: ${attempt?.reason[part]}`);
    const told = JSON.stringify(attempt);
    for (const secret of [GROUP_KEY, derived(GROUP_KEY, 'dev-1')]) t.notMatch(told, secret);
  });
}

t.test('every rule is made by a test, and is a row of docs/reasons.md', async (t) => {
  const elsewhere = madeElsewhere();
  const unmade = Object.entries(rules).filter(([rule, { at }]) => at !== 'none' && !(rule in causes) && !elsewhere.has(rule));
  t.strictSame(unmade, []);
  for (const rule of Object.keys(causes)) t.ok(rule in rules, rule);
  const document = readFileSync('docs/reasons.md', 'utf8');
  t.equal(document, reasonsDocument(), '`npm run docs` writes it anew');
  for (const rule of Object.keys(causes)) t.match(document, `| \`${rule}\` |`);
  t.ok(Object.keys(causes).length >= 30, `${Object.keys(causes).length} causes`);
});

t.test('the nearest value is named, with what differs', async (t) => {
  const of = async (rule: Rule): Promise<string> => {
    const scene = await sceneFor(rule);
    const made = await causes[rule]?.(scene);
    const id = typeof made === 'string' ? made : 'dev-1';
    const nearest = (await scene.cloud.attempts(id)).at(-1)?.reason.nearest ?? '';
    await scene.cloud.close();
    return nearest;
  };
  t.match(await of('no-enrolment'), /individual enrolment "dev-7"; differs in 1 place, first at 5: "1" instead of "7"/);
  t.match(await of('id-scope'), /"0ne00000A1B"; differs in 1 place/);
  t.match(await of('registration-id'), /"dev-1"/);
  t.match(await of('sas-other-id'), /upper and lower case only/);
  t.match(await of('hub-unknown'), /hub-weu/);
  t.match(await of('webhook-hub'), /hub-weu\.azure-devices\.net"; differs in 1 place/);
  t.match(await of('x509-same-name'), /plant/);
});
