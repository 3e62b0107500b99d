import { startCloud } from '@zerotouch/cloud-sim/cloud';
import { messageSettings } from '@zerotouch/cloud-sim/hub/message-settings';
import t from 'tap';
import { issue, makeAuthority } from '../certificates.js';
import { cloudFor, key } from '../clouds.js';
import { registryOf } from '../hub/service-clients.js';
import { ManualClock } from '../manual-clock.js';
import { signIn } from '../official-clients.js';
import { managementClients, managerOf, SUBSCRIPTION } from './manager.js';

const GROUP = 'zerotouch';
const hub = { location: 'westeurope', sku: { name: 'S2', capacity: 3 } };

t.test('the management package makes, finds, changes and removes hubs', async (t) => {
  const cloud = await cloudFor(t);
  const { hubs } = await managementClients(t, cloud);
  const { iotHubResource: api } = hubs;
  t.match(await api.checkNameAvailability({ name: 'hub-new' }), { nameAvailable: true });
  t.match(await api.checkNameAvailability({ name: 'hub-sea' }), { nameAvailable: false, reason: 'AlreadyExists' }, 'of any subscription');
  t.match(await api.checkNameAvailability({ name: '42' }), { nameAvailable: false, reason: 'Invalid' });
  const made = await api.beginCreateOrUpdateAndWait(GROUP, 'hub-new', { ...hub, tags: { line: '7' } });
  t.match(made, {
    id: `/subscriptions/${SUBSCRIPTION}/resourceGroups/zerotouch/providers/Microsoft.Devices/IotHubs/hub-new`,
    sku: { name: 'S2', tier: 'Standard', capacity: 3 },
    properties: { hostName: 'hub-new.azure-devices.net', state: 'Active', locations: [{ location: 'westeurope', role: 'primary' }] },
  });
  t.match(cloud.hubs.at(-1), { host: 'hub-new.azure-devices.net', region: 'westeurope', subscription: SUBSCRIPTION });
  const found = [];
  for await (const { name } of api.listBySubscription()) found.push(name);
  t.strictSame(found, ['hub-eus', 'hub-new', 'hub-weu']);
  const policies = [];
  for await (const policy of api.listKeys(GROUP, 'hub-new')) policies.push(policy);
  t.strictSame(
    policies.map(({ keyName, rights }) => `${keyName}: ${rights}`),
    [
      'iothubowner: RegistryRead, RegistryWrite, ServiceConnect, DeviceConnect',
      'service: ServiceConnect',
      'device: DeviceConnect',
      'registryRead: RegistryRead',
      'registryReadWrite: RegistryRead, RegistryWrite',
    ],
  );
  const authorizationPolicies = [
    ...policies.slice(0, 1),
    { keyName: 'dps', rights: 'RegistryWrite, ServiceConnect' as const, primaryKey: key('dps') },
  ];
  const changed = await api.beginCreateOrUpdateAndWait(
    GROUP,
    'hub-new',
    { ...made, properties: { ...made.properties, authorizationPolicies } },
    { ifMatch: made.etag ?? '' },
  );
  t.strictSame(
    cloud.hubsAdmin.policies('hub-new.azure-devices.net').map(({ name, primaryKey }) => [name, primaryKey]),
    [
      ['iothubowner', policies[0]?.primaryKey],
      ['dps', key('dps')],
    ],
  );
  await t.rejects(api.beginCreateOrUpdateAndWait(GROUP, 'hub-new', made, { ifMatch: made.etag ?? '' }), {
    statusCode: 412,
    code: 'PreconditionFailed',
  });
  // What az 2.45 makes of the header.
  await api.beginCreateOrUpdateAndWait(GROUP, 'hub-new', { ...changed, tags: {} }, { ifMatch: `{'IF-MATCH': '${changed.etag}'}` });
  t.match(await api.getKeysForKeyName(GROUP, 'hub-new', 'dps'), { primaryKey: key('dps') }, 'policies that a body leaves out stay');
  await api.beginUpdateAndWait(GROUP, 'hub-new', { tags: { line: '8' } });
  t.match(await api.get(GROUP, 'hub-new'), { tags: { line: '8' }, sku: { capacity: 3 } });
  t.match(await api.getStats(GROUP, 'hub-new'), { totalDeviceCount: 0 });
  const sizes = [];
  for await (const { sku } of api.listValidSkus(GROUP, 'hub-new')) sizes.push(sku.name);
  t.strictSame(sizes, ['S1', 'S2', 'S3']);
  for (const [body, message] of [
    [{ ...hub, sku: { name: 'S9' } }, /sku.name/],
    [{ ...hub, sku: { name: 'S3', capacity: 11 } }, /at most 10 units/],
    [{ ...hub, properties: { disableLocalAuth: true } }, /disableLocalAuth is not served/],
    [
      { ...hub, properties: { routing: { routes: [{ name: 'r', source: 'DeviceMessages', endpointNames: ['x'], isEnabled: true }] } } },
      /routing.routes is not served/,
    ],
    [
      { ...hub, properties: { storageEndpoints: { $default: { connectionString: 'AccountKey=secret', containerName: 'c' } } } },
      /file upload .* is not served/,
    ],
  ] as const) {
    await t.rejects(api.beginCreateOrUpdateAndWait(GROUP, 'hub-other', body as never), { statusCode: 400, message });
  }
  await api.beginDeleteAndWait(GROUP, 'hub-new');
  await t.rejects(api.get(GROUP, 'hub-new'), { statusCode: 404, code: 'ResourceNotFound' });
  t.equal(cloud.hubs.length, 3);
});

t.test('a hub takes as much as it was bought for, from the moment it is scaled', async (t) => {
  const clock = new ManualClock(Date.now());
  const cloud = await cloudFor(t, { clock, limits: { hubRateFactor: 1 } });
  const { iotHubResource: api } = (await managementClients(t, cloud)).hubs;
  const { host } = cloud.hubs[0] as (typeof cloud.hubs)[0];
  const registry = registryOf(cloud, host);
  const fits = async () => {
    clock.advance(10_000);
    for (let n = 0; ; n++) {
      try {
        await registry.list();
      } catch (error) {
        t.match(error, { name: 'ThrottlingError' });
        return n;
      }
    }
  };
  t.equal(await fits(), 3, 'two seconds of 100 a minute');
  const hub = await api.get(GROUP, 'hub-weu');
  await api.beginCreateOrUpdateAndWait(GROUP, 'hub-weu', { ...hub, sku: { name: 'S1', capacity: 3 } });
  t.equal(await fits(), 10, 'a PUT');
  t.match(cloud.hubs[0], { host });
  const { call } = await managerOf(t, cloud);
  const url = `/subscriptions/${SUBSCRIPTION}/resourceGroups/${GROUP}/providers/Microsoft.Devices/IotHubs/hub-weu`;
  t.match(await call('PATCH', url, { body: { sku: { name: 'S2', capacity: 6 } } }), { body: { sku: { tier: 'Standard', capacity: 6 } } });
  t.equal(await fits(), 20, 'a PATCH');
  t.match(await call('GET', url), { body: { sku: { name: 'S2', capacity: 6 } } });
  for (const [body, message] of [
    [{ sku: { name: 'S3', capacity: 11 } }, /S3 has at most 10 units/],
    [{ sku: { name: 'B2', capacity: 1 } }, /S2, which cannot become B2: .*from basic to standard only/],
    [{ sku: { name: 'F1', capacity: 1 } }, /S2, which cannot become F1: make another hub/],
    [{ properties: {} }, /a PATCH changes tags and sku; use PUT/],
  ] as const) {
    t.match(await call('PATCH', url, { body }), { status: 400, body: { code: 'BadRequest', message } });
  }
  t.match(await call('GET', url), { body: { sku: { name: 'S2', capacity: 6 } } }, 'what was refused changed nothing');
});

t.test('what a hub is told of messages to devices counts, and what it cannot keep is refused', async (t) => {
  const clock = new ManualClock(Date.now());
  const cloud = await cloudFor(t, { clock });
  const { iotHubResource: api } = (await managementClients(t, cloud)).hubs;
  const put = (properties: object) => api.beginCreateOrUpdateAndWait(GROUP, 'hub-weu', { ...hub, properties });
  // az iot hub update writes into what it has read, and ends with a traceback where nothing is.
  const queue = { lockDurationAsIso8601: 'PT1M', ttlAsIso8601: 'PT1H', maxDeliveryCount: 10 };
  const untold = await api.get(GROUP, 'hub-weu');
  t.strictSame(untold.properties?.cloudToDevice, { maxDeliveryCount: 10, defaultTtlAsIso8601: 'PT1H', feedback: queue });
  t.strictSame(untold.properties?.messagingEndpoints, { fileNotifications: queue });
  await put({ ...untold.properties, cloudToDevice: { feedback: { ttlAsIso8601: 'PT2H' } } });
  t.match(await api.get(GROUP, 'hub-weu'), {
    properties: { cloudToDevice: { maxDeliveryCount: 10, feedback: { ...queue, ttlAsIso8601: 'PT2H' } } },
  });
  await put({ cloudToDevice: { maxDeliveryCount: 3, defaultTtlAsIso8601: 'PT2M' }, comments: 'line 7' });
  t.match(await api.get(GROUP, 'hub-weu'), { properties: { cloudToDevice: { defaultTtlAsIso8601: 'PT2M' }, comments: 'line 7' } });
  const { host } = cloud.hubs[0] as (typeof cloud.hubs)[0];
  const admin = cloud.hub(host);
  await admin.createDevice({ deviceId: 'dev-1' });
  for (const [wait, waiting] of [
    [0, 1],
    [119_000, 2],
    [2_000, 2],
  ] as const) {
    clock.advance(wait);
    await admin.sendMessage('dev-1', { body: 'x' });
    t.strictSame(await admin.query('SELECT cloudToDeviceMessageCount AS n FROM devices'), [{ n: waiting }]);
  }
  t.match(messageSettings({ properties: { cloudToDevice: { maxDeliveryCount: 3 } } }), { deliveryCount: 3, lifetimeMs: 3_600_000 });
  const before = await api.get(GROUP, 'hub-weu');
  for (const [properties, message] of [
    [{ eventHubEndpoints: { events: { partitionCount: -1 } } }, /eventHubEndpoints.events.partitionCount/],
    [{ eventHubEndpoints: { events: { partitionCount: 1e9 } } }, /partitionCount/],
    [{ cloudToDevice: { defaultTtlAsIso8601: 'P3D' } }, /defaultTtlAsIso8601: must be a duration .* 60 to 172800 seconds/],
    [{ cloudToDevice: { maxDeliveryCount: 101 } }, /maxDeliveryCount/],
    [{ disableDeviceSAS: true }, /disableDeviceSAS is not served/],
    [{ authorizationPolicies: [{ keyName: 'x', rights: 'ServiceConnect', primaryKey: '*' }] }, /policy "x": a symmetric key/],
  ] as const) {
    await t.rejects(put(properties), { name: 'RestError', statusCode: 400, message });
  }
  t.strictSame(await api.get(GROUP, 'hub-weu'), before, 'what was refused changed nothing');
  const { call } = await managerOf(t, cloud);
  const url = `/subscriptions/${SUBSCRIPTION}/resourceGroups/${GROUP}/providers/Microsoft.Devices/IotHubs/hub-weu`;
  t.match(await call('PUT', url, { body: { ...hub, properties: { eventHubEndpoints: { events: null } } } }), { status: 400 });
});

t.test('devices under a CA sign in once its possession is proved to the hub', async (t) => {
  const cloud = await cloudFor(t);
  const { certificates } = (await managementClients(t, cloud)).hubs;
  const { host } = cloud.hubs[0] as (typeof cloud.hubs)[0];
  const root = await makeAuthority('Line 7');
  const leaf = await issue(root, 'dev-1');
  await cloud.hub(host).createDevice({ deviceId: 'dev-1', authentication: { type: 'certificateAuthority' } });
  const base64 = (pem: string) => Buffer.from(pem).toString('base64');
  const uploaded = await certificates.createOrUpdate(GROUP, 'hub-weu', 'root', { properties: { certificate: base64(root.pem) } });
  t.match(uploaded, {
    id: /IotHubs\/hub-weu\/certificates\/root$/,
    type: 'Microsoft.Devices/IotHubs/certificates',
    properties: { subject: 'CN=Line 7', isVerified: false },
  });
  await t.rejects(signIn(cloud, host, 'dev-1', { leaf }), 'nobody proved it yet');
  t.match((await cloud.attempts('dev-1')).at(-1), { reason: { rule: 'x509-hub-authority' } });
  const coded = await certificates.generateVerificationCode(GROUP, 'hub-weu', 'root', uploaded.etag ?? '');
  const proof = { certificate: base64((await issue(root, coded.properties?.verificationCode ?? '')).cert) };
  t.match(await certificates.verify(GROUP, 'hub-weu', 'root', coded.etag ?? '', proof), { properties: { isVerified: true } });
  await (await signIn(cloud, host, 'dev-1', { leaf })).close();
  t.match((await certificates.listByIotHub(GROUP, 'hub-weu')).value, [{ name: 'root' }]);
  t.strictSame((await certificates.listByIotHub(GROUP, 'hub-eus')).value, [], 'each hub has its own');
  await certificates.delete(GROUP, 'hub-weu', 'root', '*');
  await t.rejects(signIn(cloud, host, 'dev-1', { leaf }));
});

t.test('resource groups hold what is made in them, and long lists come in pages', async (t) => {
  const cloud = await cloudFor(t);
  const { call } = await managerOf(t, cloud);
  const group = `/subscriptions/${SUBSCRIPTION}/resourcegroups/mine`;
  t.match(await call('HEAD', group), { status: 404 });
  t.match(await call('PUT', group, { body: { location: 'West Europe' } }), { status: 201, body: { location: 'westeurope' } });
  t.match(await call('PUT', group, { body: {} }), { status: 400, body: { error: { code: 'LocationRequired' } } });
  t.match(await call('HEAD', group), { status: 204 });
  t.match(await call('GET', `/subscriptions/${SUBSCRIPTION}/resourcegroups`), {
    body: { value: [{ name: 'mine' }, { name: 'zerotouch' }] },
  });
  for (let n = 0; n < 5; n++) {
    t.match(await call('PUT', `${group}/providers/Microsoft.Devices/IotHubs/hub-${n}x`, { body: hub }), { status: 201 });
  }
  await call('PUT', `${group}/providers/Microsoft.Devices/provisioningServices/two`, {
    body: { location: 'westeurope', sku: { name: 'S1' }, properties: {} },
  });
  const names: unknown[] = [];
  let next: string | undefined = `${group}/providers/Microsoft.Devices/IotHubs?api-version=2023-06-30&$top=2`;
  let pages = 0;
  while (next !== undefined) {
    const { body }: { body: { value: { name: string }[]; nextLink?: string } } = await call('GET', next);
    names.push(...body.value.map(({ name }) => name));
    next = body.nextLink?.replace(cloud.arm.endpoint, '');
    pages++;
  }
  t.strictSame([names, pages], [['hub-0x', 'hub-1x', 'hub-2x', 'hub-3x', 'hub-4x'], 3]);
  t.match(await call('DELETE', group), { status: 202 });
  t.match(await call('HEAD', group), { status: 404 });
  t.strictSame(
    [
      cloud.hubs.length,
      (await call<{ value: unknown[] }>('GET', `/subscriptions/${SUBSCRIPTION}/providers/Microsoft.Devices/provisioningServices`)).body
        .value.length,
    ],
    [3, 1],
  );
  t.match(await call('DELETE', `/subscriptions/${SUBSCRIPTION}/resourcegroups/zerotouch`), { status: 409 });
  t.equal(cloud.hubs.length, 3, 'what was refused took nothing away');
});

t.test('all resources of a subscription and of a group in one list', async (t) => {
  const cloud = await cloudFor(t);
  const { call } = await managerOf(t, cloud);
  const subscription = `/subscriptions/${SUBSCRIPTION}`;
  const group = `${subscription}/resourceGroups/mine`;
  await call('PUT', group, { body: { location: 'westeurope' } });
  await call('PUT', `${group}/providers/Microsoft.Devices/IotHubs/hub-mine`, { body: { ...hub, tags: { line: '7' } } });
  const names = async (path: string, filter?: string): Promise<string[]> => {
    const query = `api-version=2022-09-01${filter === undefined ? '' : `&$filter=${encodeURIComponent(filter)}`}`;
    const { body } = await call<{ value: { name: string }[] }>('GET', `${path}/resources?${query}`);
    return body.value.map(({ name }) => name);
  };
  t.strictSame(await names(subscription), ['hub-mine', 'hub-eus', 'hub-weu', 'zerotouch']);
  t.strictSame(await names(group), ['hub-mine']);
  t.strictSame(await names(subscription, "resourceGroup eq 'MINE'"), ['hub-mine']);
  t.strictSame(await names(subscription, "resourceType eq 'Microsoft.Devices/provisioningServices'"), ['zerotouch']);
  t.strictSame(await names(subscription, "tagName eq 'line' and tagValue eq '7'"), ['hub-mine']);
  t.strictSame(await names(subscription, "name eq 'hub-weu' and location eq 'eastus'"), []);
  t.match(await call('GET', `${subscription}/resources?api-version=2022-09-01&$filter=changedTime%20gt%201`), {
    status: 400,
    body: { error: { message: /changedTime/ } },
  });
  t.match(await call('GET', `${subscription}/resourceGroups/nowhere/resources?api-version=2022-09-01`), { status: 404 });
  t.match(await call('GET', `${group}/providers/Microsoft.Devices//IotHubs/hub-mine`), { status: 200, body: { name: 'hub-mine' } });
  const [first] = (await call<{ value: object[] }>('GET', `${group}/resources?api-version=2022-09-01`)).body.value;
  t.strictSame(Object.keys(first ?? {}), ['id', 'name', 'type', 'location', 'tags', 'sku'], 'nothing of what is in it');
});

t.test('a hub that was deleted stays away after a restart, until it is made again', async (t) => {
  const data = t.testdir();
  const first = await startCloud({ data });
  const api = (await managementClients(t, first)).hubs.iotHubResource;
  await api.beginDeleteAndWait(GROUP, 'hub-weu');
  await first.close();
  const second = await startCloud({ data });
  t.strictSame(second.hubs.map(({ host }) => host.split('.')[0]).sort(), ['hub-eus', 'hub-sea']);
  t.equal((await second.linkedHubs.list()).length, 3, 'the link to it stays, as in Azure');
  await (await managementClients(t, second)).hubs.iotHubResource.beginCreateOrUpdateAndWait(GROUP, 'hub-weu', hub);
  await second.close();
  const third = await cloudFor(t, { data });
  t.strictSame(
    third.hubs.map(({ host }) => host.split('.')[0]),
    ['hub-weu', 'hub-eus', 'hub-sea'],
  );
});
