import iothub from 'azure-iothub';
import t, { type Test } from 'tap';
import { cloudFor } from '../clouds.js';
import { signIn } from '../official-clients.js';
import { askHub, registryOf, serviceClientOf } from './service-clients.js';

async function open(t: Test, options = {}) {
  const cloud = await cloudFor(t, options);
  const host = cloud.hubs[0]?.host ?? '';
  return { cloud, host, hub: cloud.hub(host), registry: registryOf(cloud, host) };
}

t.test('devices are made, read, changed, listed and deleted', async (t) => {
  const { cloud, host, registry } = await open(t);
  const { responseBody: made } = await registry.create({ deviceId: 'dev-1', status: 'enabled' });
  t.match(made, { deviceId: 'dev-1', status: 'enabled', connectionState: 'Disconnected', authentication: { type: 'sas' } });
  const key = made.authentication?.symmetricKey?.primaryKey ?? '';
  t.equal(Buffer.from(key, 'base64').length, 64, 'keys are generated');
  await t.rejects(registry.create({ deviceId: 'dev-1' }), { name: 'DeviceAlreadyExistsError' });
  const client = await signIn(cloud, host, 'dev-1', { key });
  t.equal((await registry.get('dev-1')).responseBody.connectionState, 'Connected');
  await client.close();

  const { responseBody: changed } = await registry.update({ deviceId: 'dev-1', status: 'disabled', statusReason: 'lost' });
  t.match(changed, { status: 'disabled', statusReason: 'lost', authentication: { symmetricKey: { primaryKey: key } } });
  t.not(changed.etag, made.etag);
  await t.rejects(signIn(cloud, host, 'dev-1', { key }));
  await t.rejects(registry.update({ deviceId: 'dev-9' }), { name: 'DeviceNotFoundError' });
  await t.rejects(registry.get('dev-9'), { name: 'DeviceNotFoundError', message: /no device "dev-9"/ });

  await registry.create({ deviceId: 'dev-2', authentication: { x509Thumbprint: { primaryThumbprint: 'AB'.repeat(20) } } } as never);
  t.strictSame(
    (await registry.list()).responseBody.map(({ deviceId, authentication }) => [deviceId, (authentication as { type?: string }).type]),
    [
      ['dev-1', 'sas'],
      ['dev-2', 'selfSigned'],
    ],
  );
  t.match((await registry.getRegistryStatistics()).responseBody, { totalDeviceCount: 2, enabledDeviceCount: 1, disabledDeviceCount: 1 });
  await registry.delete('dev-1');
  await t.rejects(registry.delete('dev-1'), { name: 'DeviceNotFoundError' });
});

t.test('devices in bulk', async (t) => {
  const { registry, hub } = await open(t);
  const devices = ['a', 'b', 'c'].map((deviceId) => ({ deviceId }));
  t.match((await registry.addDevices(devices)).responseBody, { isSuccessful: true, errors: [] });
  const again = await registry.addDevices([{ deviceId: 'c' }, { deviceId: 'd' }]).catch((error: { responseBody?: string }) => error);
  t.match(JSON.parse((again as { responseBody: string }).responseBody), {
    isSuccessful: false,
    errors: [{ deviceId: 'c', errorCode: 'DeviceAlreadyExists' }],
  });
  t.equal((await hub.devices()).length, 4, 'the others of the call are made');
  await registry.updateDevices([{ deviceId: 'a', status: 'disabled' }], true);
  t.equal((await registry.get('a')).responseBody.status, 'disabled');
  await registry.removeDevices(devices, true);
  t.strictSame(
    (await hub.devices()).map(({ deviceId }) => deviceId),
    ['d'],
  );
});

t.test('a call in bulk that is wrong in itself changes nothing', async (t) => {
  const { cloud, host, hub } = await open(t);
  const bulk = (...items: unknown[]) => askHub(cloud, host, { method: 'POST', path: '/devices?api-version=2021-04-12', body: items });
  const made = { id: 'a', importMode: 'create' };
  for (const wrong of [{ id: 'no id', importMode: 'create' }, { importMode: 'create' }, { id: 'b', moduleId: 7 }, 'b'])
    t.match(
      await bulk(made, wrong),
      { status: 400, error: 'ArgumentInvalid', body: { Message: /^ErrorCode:ArgumentInvalid;item 1/ } },
      JSON.stringify(wrong),
    );
  t.strictSame(await hub.devices(), []);
});

t.test('twins are read, patched and replaced, with etags', async (t) => {
  const { registry, hub } = await open(t);
  await hub.createDevice({ deviceId: 'dev-1' });
  const { responseBody: twin } = await registry.getTwin('dev-1');
  t.match(twin, {
    deviceId: 'dev-1',
    etag: 'AAAAAAAAAAE=',
    version: 1,
    authenticationType: 'sas',
    tags: {},
    properties: { desired: { $version: 1, $metadata: { $lastUpdated: /^20/ } }, reported: { $version: 1 } },
  });
  const { result: patched } = await twin.update({ tags: { line: 7, site: 'a' }, properties: { desired: { interval: 5 } } });
  t.match(patched, {
    etag: 'AAAAAAAAAAI=',
    tags: { line: 7, site: 'a' },
    properties: { desired: { interval: 5, $version: 2 } },
  });
  await t.rejects(registry.updateTwin('dev-1', { tags: { line: 8 } }, 'AAAAAAAAAAE='), { name: 'InvalidEtagError' });
  const { responseBody: merged } = await registry.updateTwin('dev-1', { tags: { line: null } }, '*');
  t.strictSame(merged.tags, { site: 'a' });
  t.equal(merged.properties.desired.$version, 2, 'what is not named is not written');
  await t.rejects(registry.updateTwin('dev-1', { tags: { 'a.b': 1 } }, '*'), { name: 'ArgumentError', message: /a\.b/ });
  await t.rejects(registry.getTwin('nobody'), { name: 'DeviceNotFoundError' });
});

t.test('modules and their twins', async (t) => {
  const { registry, hub } = await open(t);
  await hub.createDevice({ deviceId: 'gate-1' });
  await registry.addModule({ deviceId: 'gate-1', moduleId: 'filter' });
  await t.rejects(registry.addModule({ deviceId: 'gate-1', moduleId: 'filter' }), { name: 'DeviceAlreadyExistsError' });
  const { responseBody: module } = await registry.getModule('gate-1', 'filter');
  t.match(module, { moduleId: 'filter', deviceId: 'gate-1', authentication: { type: 'sas' } });
  await registry.updateModule({ ...module, managedBy: 'me' } as never, true);
  t.match((await registry.getModulesOnDevice('gate-1')).responseBody, [{ moduleId: 'filter', managedBy: 'me' }]);
  const { responseBody: twin } = await registry.getModuleTwin('gate-1', 'filter');
  await registry.updateModuleTwin('gate-1', 'filter', { properties: { desired: { level: 3 } } }, twin.etag);
  t.match((await registry.getModuleTwin('gate-1', 'filter')).responseBody, { moduleId: 'filter', properties: { desired: { level: 3 } } });
  await registry.removeModule('gate-1', 'filter');
  await t.rejects(registry.getModule('gate-1', 'filter'), { message: 'Not found' });
});

t.test('methods go over HTTPS to the device and back', async (t) => {
  const { cloud, host, hub } = await open(t);
  const { authentication } = await hub.createDevice({ deviceId: 'dev-1' });
  const service = serviceClientOf(cloud, host, 'service');
  const call = (more = {}) => service.invokeDeviceMethod('dev-1', { methodName: 'reboot', payload: { delay: 1 }, ...more });
  await t.rejects(call(), { message: 'Not found', responseBody: /404103|DeviceNotOnline/ });
  const device = await signIn(cloud, host, 'dev-1', { key: 'primaryKey' in authentication ? authentication.primaryKey : '' });
  t.teardown(() => device.close());
  device.onDeviceMethod('reboot', (request, response) => response.send(202, { heard: request.payload }));
  const { result } = (await call({ connectTimeoutInSeconds: 30 })) as unknown as { result: object };
  t.strictSame(result, { status: 202, payload: { heard: { delay: 1 } } });
  await t.rejects(call({ responseTimeoutInSeconds: 1 }), { name: 'ArgumentError', message: /5 to 300/ });
});

t.test('queries: whole twins, columns, counts by group, page by page', async (t) => {
  const { registry, hub } = await open(t);
  for (let n = 0; n < 25; n++) {
    await hub.createDevice({ deviceId: `dev-${String(n).padStart(2, '0')}` });
    await registry.updateTwin(`dev-${String(n).padStart(2, '0')}`, { tags: { line: n % 3, site: n % 2 === 0 ? 'a' : 'b' } }, '*');
  }
  const pages = registry.createQuery('SELECT * FROM devices WHERE tags.line = 1', 3);
  const sizes: number[] = [];
  while (pages.hasMoreResults) {
    const page = await new Promise<unknown[]>((resolve, reject) =>
      pages.nextAsTwin((error, result) => (error ? reject(error) : resolve(result as unknown as unknown[]))),
    );
    sizes.push(page.length);
    t.ok(page.every((twin) => twin instanceof iothub.Twin));
  }
  t.strictSame(sizes, [3, 3, 2]);
  const all = async (text: string) => (await registry.createQuery(text, 100).next()).result as unknown as object[];
  t.strictSame(
    await all(
      "SELECT deviceId, tags.line AS line FROM devices WHERE tags.site = 'a' AND NOT tags.line IN [0, 1] AND STARTSWITH(deviceId, 'dev-0')",
    ),
    [
      { deviceId: 'dev-02', line: 2 },
      { deviceId: 'dev-08', line: 2 },
    ],
  );
  t.strictSame(await all('SELECT tags.line AS line, COUNT() AS n FROM devices GROUP BY tags.line'), [
    { line: 0, n: 9 },
    { line: 1, n: 8 },
    { line: 2, n: 8 },
  ]);
  t.strictSame(await all("SELECT COUNT() AS n FROM devices WHERE is_defined(tags.missing) OR status = 'disabled'"), [{ n: 0 }]);
  t.strictSame(await all("select TOP 2 deviceId from devices where connectionState = 'Disconnected'"), [
    { deviceId: 'dev-00' },
    { deviceId: 'dev-01' },
  ]);
  for (const [text, message] of [
    ['SELECT', /a name was expected/],
    ['SELECT * FROM jobs', /FROM devices or devices.modules/],
    ['SELECT * FROM devices.jobs', /jobs are not served/],
    ['SELECT * FROM devices WHERE frob(1)', /no function "frob"/],
    ['SELECT deviceId, COUNT() AS n FROM devices', /groups by/],
    ["SELECT * FROM devices WHERE a = 'x", /a text has no end/],
    [`SELECT * FROM devices WHERE ${'('.repeat(100)}1`, /nested too deeply/],
  ] as const) {
    await t.rejects(all(text), { name: 'ArgumentError', message }, text.slice(0, 60));
  }
});

t.test('the attributes of a twin are found in any case, what devices and operators named is not', async (t) => {
  const { hub } = await open(t);
  await hub.createDevice({ deviceId: 'dev-1' });
  await hub.updateTwin('dev-1', { tags: { line: 7, Line: 8 } });
  // Source: hub/iot-hub-devguide-query-language, "SELECT clause".
  const [row] = (await hub.query("SELECT DeviceID, LastActivityTime FROM devices WHERE Status = 'enabled'")) as object[];
  t.strictSame(row, { deviceId: 'dev-1', lastActivityTime: '0001-01-01T00:00:00Z' });
  t.strictSame(await hub.query('SELECT TAGS.Line AS found FROM devices WHERE Tags.line = 7'), [{ found: 8 }]);
  t.strictSame(await hub.query('SELECT Status, COUNT() AS n FROM devices GROUP BY STATUS'), [{ status: 'enabled', n: 1 }]);
});

t.test('the functions of the query language take what the guide says, and calculate nothing that JSON cannot hold', async (t) => {
  const { hub } = await open(t);
  await hub.createDevice({ deviceId: 'dev-1' });
  await hub.updateTwin('dev-1', { tags: { line: 'L7', size: '12.5', hex: '0x10', blank: '' } });
  // Source: hub/iot-hub-devguide-query-language, "Functions".
  for (const [call, value] of [
    ["CONCAT(deviceId, '@', tags.line, '!')", 'dev-1@L7!'],
    ['SUBSTRING(deviceId, 4)', '1'],
    ['SUBSTRING(deviceId, 0, 3)', 'dev'],
    ['SUBSTRING(deviceId, -1)', undefined],
    ['SUBSTRING(deviceId, 0, tags.none)', undefined],
    ['AS_NUMBER(tags.size)', 12.5],
    ['AS_NUMBER(3)', 3],
    ['AS_NUMBER(SUBSTRING(tags.line, 1))', 7],
    ['AS_NUMBER(tags.hex)', undefined],
    ['AS_NUMBER(tags.blank)', undefined],
    ['POWER(10, 400)', undefined],
  ] as const) {
    t.strictSame(await hub.query(`SELECT ${call} AS v FROM devices`), [value === undefined ? {} : { v: value }], call);
  }
  t.strictSame(await hub.query('SELECT deviceId FROM devices WHERE AS_NUMBER(tags.size) > 12'), [{ deviceId: 'dev-1' }]);
  for (const [call, message] of [
    ["CONCAT('a')", /CONCAT takes 2 or more arguments, here are 1/],
    ["SUBSTRING('a')", /SUBSTRING takes 2 or 3 arguments, here are 1/],
    ['LOWER()', /LOWER takes 1 arguments, here are 0/],
  ] as const) {
    await t.rejects(hub.query(`SELECT * FROM devices WHERE ${call} = 'a'`), { message }, call);
  }
});

t.test('automatic configurations: by condition, the highest priority wins', async (t) => {
  const { registry, hub } = await open(t);
  await hub.createDevice({ deviceId: 'dev-1' });
  await hub.createDevice({ deviceId: 'dev-2' });
  await registry.updateTwin('dev-1', { tags: { line: 7 } }, '*');
  const desired = async (id: string) => {
    const { $version: _, ...rest } = (await hub.twin(id)).properties.desired;
    return rest;
  };
  await registry.addConfiguration({
    id: 'base',
    content: { deviceContent: { 'properties.desired.telemetry': { interval: 60, level: 'info' } } },
    targetCondition: '*',
    priority: 1,
  } as never);
  t.strictSame(await desired('dev-2'), { telemetry: { interval: 60, level: 'info' } });
  await registry.addConfiguration({
    id: 'line-7',
    content: { deviceContent: { 'properties.desired.telemetry.interval': 5 } },
    targetCondition: 'tags.line = 7',
    priority: 10,
  } as never);
  t.strictSame(await desired('dev-1'), { telemetry: { interval: 5, level: 'info' } });
  t.strictSame(await desired('dev-2'), { telemetry: { interval: 60, level: 'info' } });
  t.match((await registry.getConfiguration('line-7')).responseBody, {
    priority: 10,
    systemMetrics: { results: { targetedCount: 1, appliedCount: 1 } },
  });
  await hub.createDevice({ deviceId: 'dev-3' });
  t.strictSame(await desired('dev-3'), { telemetry: { interval: 60, level: 'info' } }, 'a new device is targeted at once');
  await registry.updateTwin('dev-3', { tags: { line: 7 } }, '*');
  t.strictSame(await desired('dev-3'), { telemetry: { interval: 5, level: 'info' } }, 'and one whose tags change');
  await t.rejects(
    registry.addConfiguration({ id: 'bad', content: { deviceContent: {} }, targetCondition: 'tags..x', priority: 1 } as never),
    {
      name: 'ArgumentError',
      message: /target condition/,
    },
  );
  const { responseBody: all } = await registry.getConfigurations();
  t.strictSame(
    all.map(({ id }) => id),
    ['base', 'line-7'],
  );
  await registry.removeConfiguration('line-7');
  t.strictSame(await desired('dev-1'), { telemetry: { interval: 60, level: 'info' } });
  await hub.createDevice({ deviceId: 'gate-1', iotEdge: true });
  await registry.applyConfigurationContentOnDevice('gate-1', {
    modulesContent: { $edgeAgent: { 'properties.desired': { schemaVersion: '1.1' } } },
  } as never);
  t.match((await registry.getModuleTwin('gate-1', '$edgeAgent')).responseBody, { properties: { desired: { schemaVersion: '1.1' } } });
});

t.test('rights are kept apart, and what is not there is refused by name', async (t) => {
  const { cloud, host, hub, registry } = await open(t);
  await hub.createDevice({ deviceId: 'dev-1' });
  const as = (policy: string) => registryOf(cloud, host, policy);
  await as('registryRead').get('dev-1');
  const no = { name: 'UnauthorizedError' };
  await t.rejects(as('registryRead').create({ deviceId: 'dev-2' }), no);
  await t.rejects(as('registryReadWrite').getTwin('dev-1'), no);
  await t.rejects(as('service').get('dev-1'), no);
  await t.rejects(as('device').getTwin('dev-1'), no);
  await as('service').getTwin('dev-1');
  await cloud.hubsAdmin.rotateKey(host, 'iothubowner', 'primary');
  await t.rejects(registry.get('dev-1'), no, 'the old key is good no more');
  await t.rejects(as('service').listJobs(), { message: /jobs.*not supported by the local hub/ });
});

t.test('a token for a part of the hub is good for that part', async (t) => {
  const { cloud, host, hub } = await open(t);
  await hub.createDevice({ deviceId: 'dev#1' });
  await hub.createDevice({ deviceId: 'dev-2' });
  const ask = async (path: string, resource: string, policy = 'iothubowner') =>
    (await askHub(cloud, host, { path: `${path}?api-version=2021-04-12`, policy, resource: `${host}${resource}` })).status;
  // Source: hub/iot-hub-dev-guide-sas, "Use security tokens from service components".
  t.equal(await ask('/devices', '/devices', 'registryRead'), 200);
  t.equal(await ask('/devices/dev-2', '/devices', 'registryRead'), 200);
  t.equal(await ask('/twins/dev-2', '/devices'), 401, 'and for no other');
  t.equal(await ask('/devices/dev%231', '/devices/dev#1'), 200, 'of one device, whatever its name');
  t.equal(await ask('/devices/dev-2', '/devices/dev'), 401);
  t.equal(await ask('/devices', '/devices/dev-2'), 401);
  t.equal(await ask('/devices/dev-2%2F..%2Fdev', '/devices/dev-2'), 404, 'one path, however it is written');
});
