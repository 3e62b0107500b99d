import { once } from 'node:events';
import { request } from 'node:http';
import { join } from 'node:path';
import type { HubDevice, HubTwin } from '@zerotouch/cloud-sim/api/hub-service';
import type { Paged } from '@zerotouch/cloud-sim/store/paged';
import type { DeviceView, EnrolmentView, FailingDevice, Overview, RegistrationView, Tick } from '@zerotouch/cloud-sim/web/shapes';
import { openWebView } from '@zerotouch/cloud-sim/web/web';
import t from 'tap';
import { cloudFor, derived, key, keyGroup } from '../clouds.js';
import { register, signIn } from '../official-clients.js';
import { viewerFor } from './viewer.js';

const GROUP_KEY = key('line 7');

t.test('only who has the token reads or changes anything, and no other page gets that far', async (t) => {
  const cloud = await cloudFor(t);
  const viewer = await viewerFor(t, cloud);
  const paths: [string, string][] = [
    ['GET', '/api/overview'],
    ['GET', '/api/events'],
    ['GET', '/api/nothing'],
    ['PATCH', '/api/hubs/hub-weu.azure-devices.net/devices/a/twin'],
    ['POST', '/api/hubs/hub-weu.azure-devices.net/devices/a/methods'],
  ];
  for (const [method, path] of paths) {
    for (const headers of [{}, { authorization: 'Bearer x' }, { authorization: `Bearer ${'A'.repeat(43)}` }, { cookie: 'token=x' }]) {
      const { status } = await fetch(viewer.origin + path, { method, headers });
      t.equal(status, 401, `${method} ${path}`);
    }
  }
  t.equal((await viewer.get('/api/overview')).status, 200);
  t.match(await viewer.get('/api/overview', { origin: 'http://127.0.0.1:9999' }), { status: 403, body: { code: 'FOREIGN_ORIGIN' } });
  t.equal((await viewer.get('/api/overview', { origin: viewer.origin })).status, 200);
  // Another port of this machine is the same site, but another origin.
  for (const site of ['cross-site', 'same-site']) t.equal(await statusWith(viewer.view, { 'sec-fetch-site': site }), 403, site);
  for (const host of ['evil.example', `evil.example:${viewer.view.port}`, '127.0.0.1', 'localhost:1']) {
    t.equal(await statusWith(viewer.view, { host }), 421, `host ${host}`);
    t.not(await statusWith(viewer.view, { host }, '/'), 200, `the page at host ${host}`);
  }
  t.equal(await statusWith(viewer.view, { host: `localhost:${viewer.view.port}` }), 200);
  const preflight = await fetch(`${viewer.origin}/api/overview`, { method: 'OPTIONS', headers: { origin: 'http://evil.example' } });
  t.equal(preflight.headers.get('access-control-allow-origin'), null);
});

t.test('the page is served as it was built, and nothing beside it', async (t) => {
  const viewer = await viewerFor(t, await cloudFor(t));
  const { status, headers, body } = await viewer.get('/?x=1');
  t.match({ status, body }, { status: 200, body: /stand-in/ });
  t.match(headers.get('content-security-policy'), /default-src 'none'.*frame-ancestors 'none'/);
  t.equal(headers.get('x-content-type-options'), 'nosniff');
  t.match((await viewer.get('/assets/main-1a2b.js')).headers.get('cache-control'), /immutable/);
  for (const path of ['/../package.json', '/%2e%2e/package.json', '/assets/', '/x']) t.equal((await viewer.get(path)).status, 404, path);
  const { cloud, page } = viewer;
  await t.rejects(openWebView({ cloud, page: join(page, 'assets') }), { code: 'PAGE_MISSING', where: join(page, 'assets') });
  await t.rejects(openWebView({ cloud, page, port: viewer.view.port }), { code: 'PORT_IN_USE' });
  t.equal((await viewer.get('/api/overview')).status, 200, 'the first one goes on');
});

t.test('hubs, enrolments and registrations, and no secret in any of them', async (t) => {
  const cloud = await cloudFor(t);
  const viewer = await viewerFor(t, cloud);
  await keyGroup(cloud, 'line-7', GROUP_KEY, { initialTwin: { tags: { line: 7 } } });
  await cloud.enrolments.putIndividual({
    registrationId: 'gate-1',
    provisioningStatus: 'disabled',
    attestation: { type: 'symmetricKey', symmetricKey: { primaryKey: key('gate'), secondaryKey: key('gate 2') } },
    allocationPolicy: 'custom',
    customAllocationDefinition: { webhookUrl: 'https://localhost/?code=hidden', apiVersion: '2019-03-31' },
    iotHubs: ['hub-eus.azure-devices.net'],
  });
  const { assignedHub } = await register(cloud, 'pump-1', { key: derived(GROUP_KEY, 'pump-1') });
  const overview = await viewer.get<Overview>('/api/overview');
  t.match(overview.body.hubs, [
    { host: 'hub-weu.azure-devices.net', region: 'westeurope', place: [52.4, 4.9], link: { allocationWeight: 1 } },
    { host: 'hub-eus.azure-devices.net' },
    { host: 'hub-sea.azure-devices.net' },
  ]);
  t.match(
    overview.body.hubs.find(({ host }) => host === assignedHub),
    { devices: 1, connected: 0 },
  );
  const enrolments = await viewer.get<Paged<EnrolmentView>>('/api/enrolments');
  t.match(enrolments.body.items, [
    { kind: 'group', id: 'line-7', attestation: 'symmetricKey', enabled: true, initialTwin: { tags: { line: 7 } } },
    { kind: 'individual', id: 'gate-1', enabled: false, allocationPolicy: 'custom', iotHubs: ['hub-eus.azure-devices.net'] },
  ]);
  const registrations = await viewer.get<Paged<RegistrationView>>('/api/registrations?enrolmentGroup=line-7&startsWith=PUMP');
  t.match(registrations.body.items, [{ registrationId: 'pump-1', assignedHub, enrolmentGroup: 'line-7' }]);
  const device = await viewer.get<DeviceView>('/api/devices/pump-1');
  t.match(device.body, { registration: { status: 'assigned' }, homes: [{ host: assignedHub }], attempts: [{ outcome: 'assigned' }] });
  const said = JSON.stringify([overview, enrolments, registrations, device]);
  for (const secret of [GROUP_KEY, key('gate'), key('gate 2'), derived(GROUP_KEY, 'pump-1'), 'hidden', 'SharedAccessKey=']) {
    t.notOk(said.includes(secret), 'no secret');
  }
  t.match(await viewer.get('/api/devices/nobody'), { status: 404, body: { code: 'UNKNOWN_DEVICE' } });
  t.match(await viewer.get('/api/hubs/nowhere/devices'), { status: 404, body: { code: 'UNKNOWN_HUB' } });
  for (const query of ['limit=0', 'limit=many', 'limit=1000', 'other=1'])
    t.equal((await viewer.get(`/api/registrations?${query}`)).status, 400, query);
});

t.test('who is refused is failing, with the reason and the remedy, until it gets through', async (t) => {
  const cloud = await cloudFor(t);
  const viewer = await viewerFor(t, cloud);
  await keyGroup(cloud, 'line-7', GROUP_KEY);
  await t.rejects(register(cloud, 'pump-2', { key: GROUP_KEY }));
  await t.rejects(register(cloud, 'Pump-2', { key: GROUP_KEY }));
  await t.rejects(register(cloud, 'pump-3', { key: key('other') }));
  const [tick] = await viewer.ticks(() => true);
  t.match(tick, {
    counts: { refused: 3 },
    failures: {
      devices: 2,
      groups: [
        { rule: 'sas-group-key', devices: 1, remedy: /derive/ },
        { rule: 'sas-signature', devices: 1 },
      ],
    },
  });
  t.match(tick?.lines.map(({ event, id, rule }) => ({ event, id, rule })).at(-1), {
    event: 'refused',
    id: 'pump-3',
    rule: 'sas-signature',
  });
  const failing = await viewer.get<{ items: FailingDevice[]; more: boolean }>('/api/failures?rule=sas-group-key');
  t.match(failing.body, {
    items: [{ id: 'Pump-2', refusals: 2, attempt: { reason: { rule: 'sas-group-key', remedy: /derive/ } } }],
    more: false,
  });
  t.equal((await viewer.get('/api/failures?rule=toString')).status, 400);
  await register(cloud, 'pump-2', { key: derived(GROUP_KEY, 'pump-2') });
  const left = await viewer.get<{ items: FailingDevice[] }>('/api/failures');
  t.strictSame(
    left.body.items.map(({ id }) => id),
    ['pump-3'],
  );
});

t.test('the stream tells what happens as it happens, to each of those who look', async (t) => {
  const cloud = await cloudFor(t);
  const viewer = await viewerFor(t, cloud);
  await keyGroup(cloud, 'line-7', GROUP_KEY);
  const both = [1, 2].map(() => viewer.ticks(({ lines }) => lines.some(({ event, id }) => event === 'registered' && id === 'pump-9')));
  for (let n = 1; n <= 9; n++) await register(cloud, `pump-${n}`, { key: derived(GROUP_KEY, `pump-${n}`) });
  for (const ticks of await Promise.all(both)) {
    const lines = ticks.flatMap((tick) => tick.lines);
    t.strictSame(
      lines.map(({ id }) => id),
      [1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => `pump-${n}`),
      'each line once, in order',
    );
    const last = ticks.at(-1) as Tick;
    t.equal(last.counts.registered, 9);
    t.equal(
      last.hubs.reduce((sum, { devices }) => sum + devices, 0),
      9,
    );
  }
});

t.test('a twin is edited, and the device hears of it; a change over a change is refused', async (t) => {
  const cloud = await cloudFor(t);
  const viewer = await viewerFor(t, cloud);
  await keyGroup(cloud, 'line-7', GROUP_KEY, { initialTwin: { properties: { desired: { interval: 5, old: true } } } });
  const { assignedHub } = await register(cloud, 'pump-1', { key: derived(GROUP_KEY, 'pump-1') });
  const client = await signIn(cloud, assignedHub, 'pump-1', { key: derived(GROUP_KEY, 'pump-1') });
  t.teardown(() => client.close());
  const twin = await client.getTwin();
  const heard = new Promise((resolve) => twin.on('properties.desired', (desired) => desired.$version > 1 && resolve(desired)));
  await client.getTwin();
  const home = `/api/hubs/${assignedHub}/devices/pump-1`;
  const { etag } = await cloud.hub(assignedHub).twin('pump-1');
  const saved = await viewer.send<HubTwin>('PATCH', `${home}/twin`, { desired: { interval: 7, old: null }, tags: { line: 7 }, etag });
  t.match(saved, { status: 200, body: { tags: { line: 7 }, properties: { desired: { interval: 7, $version: 2 } } } });
  t.match(await heard, { interval: 7, $version: 2 });
  t.match(await viewer.send('PATCH', `${home}/twin`, { desired: { interval: 8 }, etag }), { status: 412, body: { code: 'ETAG_MISMATCH' } });
  const wrong: unknown[] = [
    { desired: { interval: 8 } },
    { desired: [], etag },
    { desired: { 'a b': 1 }, etag: saved.body.etag },
    { reported: {}, etag },
  ];
  for (const body of wrong) t.equal((await viewer.send('PATCH', `${home}/twin`, body)).status, 400, JSON.stringify(body));
  t.match(await cloud.hub(assignedHub).twin('pump-1'), { properties: { desired: { interval: 7, $version: 2 } } });

  client.onDeviceMethod('blink', (call, response) => response.send(200, { times: call.payload.times }));
  await client.getTwin();
  t.match(await viewer.send('POST', `${home}/methods`, { name: 'blink', payload: { times: 3 } }), {
    status: 200,
    body: { status: 200, payload: { times: 3 } },
  });
  const gone = once(cloud.events, 'disconnected');
  t.match(await viewer.send('POST', `${home}/disconnect`), { status: 200, body: { dropped: 1 } });
  await gone;
  t.match(await viewer.send('POST', `${home}/methods`, { name: 'blink' }), { status: 409, body: { code: 'NOT_CONNECTED' } });
});

t.test('devices come a page at a time', async (t) => {
  const cloud = await cloudFor(t);
  const viewer = await viewerFor(t, cloud);
  const hub = cloud.hub('hub-eus.azure-devices.net');
  for (const n of [3, 1, 10, 2, 20]) await hub.createDevice({ deviceId: `pump-${n}` });
  const path = `/api/hubs/${hub.host}/devices`;
  const first = await viewer.get<Paged<HubDevice>>(`${path}?limit=3`);
  t.match(first.body, { items: [{ deviceId: 'pump-1' }, { deviceId: 'pump-10' }, { deviceId: 'pump-2' }], next: 'pump-2' });
  const second = await viewer.get<Paged<HubDevice>>(`${path}?limit=3&after=${first.body.next}`);
  t.match(second.body, { items: [{ deviceId: 'pump-20' }, { deviceId: 'pump-3' }], next: undefined });
  t.match((await viewer.get<Paged<HubDevice>>(`${path}?startsWith=pump-1`)).body.items, [{ deviceId: 'pump-1' }, { deviceId: 'pump-10' }]);
});

t.test('it ends at once, with whoever looks on', async (t) => {
  const viewer = await viewerFor(t, await cloudFor(t));
  const looking = viewer.ticks(() => false).catch((error: Error) => error);
  await viewer.ticks(() => true);
  await viewer.view.close();
  await viewer.view.close();
  t.ok(await looking);
  await t.rejects(viewer.get('/'));
});

function statusWith(
  { port, url }: { port: number; url: string },
  headers: Record<string, string>,
  path = '/api/overview',
): Promise<number | undefined> {
  const authorization = `Bearer ${new URL(url).hash.replace('#token=', '')}`;
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, headers: { authorization, ...headers }, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    sent.on('error', reject);
    sent.end();
  });
}
