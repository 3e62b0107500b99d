import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DeviceMethodRequest, DeviceMethodResponse, Message } from 'azure-iot-device';
import t from 'tap';
import { managementClients } from '../cloud-sim/arm/manager.js';
import { cloudFor, key } from '../cloud-sim/clouds.js';
import { signIn, twinOf } from '../cloud-sim/official-clients.js';
import { run } from './support/command.js';
import { verbsOver } from './support/verbs.js';

const HOST = 'hub-weu.azure-devices.net';
const on = ['-n', 'hub-weu'];

t.test('a device is made, told, called and asked about; the official client is at the other end', async (t) => {
  const cloud = await cloudFor(t);
  const { zt, folder } = verbsOver(t, cloud);
  const device = [...on, '-d', 'pump-1'];
  writeFileSync(join(folder, 'key'), key('pump'));
  t.match(await zt('hub', 'device-identity', 'create', ...device, '--pk', `@${join(folder, 'key')}`, '--star', 'new'), {
    deviceId: 'pump-1',
    statusReason: 'new',
    authentication: { type: 'sas', symmetricKey: { primaryKey: key('pump') } },
  });
  await t.rejects(zt('hub', 'device-identity', 'create', ...device), { code: 'CALL_REFUSED', message: /409 DeviceAlreadyExists/ });
  const { connectionString } = await zt<{ connectionString: string }>('hub', 'device-identity', 'connection-string', 'show', ...device);
  t.equal(connectionString, `HostName=${HOST};DeviceId=pump-1;SharedAccessKey=${key('pump')}`);

  const invoke = ['hub', 'invoke-device-method', ...device, '--method-name', 'stop'];
  await t.rejects(zt(...invoke, '--mct', '0'), { code: 'CALL_FAILED', message: /DeviceNotOnline/ });
  const client = await signIn(cloud, HOST, 'pump-1', { key: key('pump') });
  t.teardown(() => client.close());
  client.onDeviceMethod('stop', (request: DeviceMethodRequest, response: DeviceMethodResponse) =>
    response.send(207, request.payload, () => {}),
  );
  const twin = await twinOf(client);
  const told = once(twin, 'properties.desired');
  t.strictSame(await zt(...invoke, '--method-payload', '{"at":21}'), { payload: { at: 21 }, status: 207 });

  const update = ['hub', 'device-twin', 'update', ...device];
  t.match(await zt(...update, '--desired', '{"every":10}', '--tags', '{"line":7}'), { tags: { line: 7 } });
  await told;
  t.match(await zt(...update, '--set', 'tags.floor=2', 'properties.desired.every=null'), {
    tags: { line: 7, floor: 2 },
    properties: { desired: { every: undefined } },
  });
  t.match(await zt('hub', 'device-twin', 'replace', ...device, '-j', '{"tags":{"line":8}}'), { tags: { line: 8, floor: undefined } });
  t.match(await zt('hub', 'device-twin', 'show', ...device), { deviceId: 'pump-1', connectionState: 'Connected' });
  t.strictSame(await zt('hub', 'query', ...on, '-q', 'SELECT deviceId FROM devices WHERE tags.line = 8'), [{ deviceId: 'pump-1' }]);
  t.match(await zt('hub', 'device-identity', 'list', ...on, '--top', '1'), [{ deviceId: 'pump-1' }]);

  const heard = new Promise<Message>((resolve) => {
    client.on('message', (message) => client.complete(message, () => resolve(message)));
  });
  const sent = ['--data', 'hello', '--props', 'a=1;b=x=y', '--message-id', 'm-1', '--content-type', 'text/plain'];
  t.equal(await zt('hub', 'c2d-message', 'send', ...device, ...sent), undefined);
  const message = await heard;
  t.equal(message.getData().toString(), 'hello');
  t.strictSame([message.messageId, message.properties.getValue('a'), message.properties.getValue('b')], ['m-1', '1', 'x=y']);
  await t.rejects(zt('hub', 'c2d-message', 'send', ...on, '-d', 'nobody'), { code: 'CALL_REFUSED', message: /DeviceNotFound/ });

  const disabled = await zt('hub', 'device-identity', 'update', ...device, '--status', 'disabled', '--am', 'x509_ca');
  t.match(disabled, { status: 'disabled', authentication: { type: 'certificateAuthority' } });
  t.equal(await zt('hub', 'device-identity', 'delete', ...device), undefined);
  await t.rejects(zt('hub', 'device-twin', 'show', ...device), { code: 'CALL_REFUSED' });
});

t.test('modules and configurations', async (t) => {
  const { zt } = verbsOver(t, await cloudFor(t));
  await zt('hub', 'device-identity', 'create', ...on, '-d', 'edge-1', '--ee');
  const module = [...on, '-d', 'edge-1', '-m', 'filter'];
  t.match(await zt('hub', 'module-identity', 'create', ...module), { moduleId: 'filter', authentication: { type: 'sas' } });
  t.match(await zt('hub', 'module-identity', 'connection-string', 'show', ...module, '--kt', 'secondary'), {
    connectionString: new RegExp(`^HostName=${HOST};DeviceId=edge-1;ModuleId=filter;SharedAccessKey=`),
  });
  t.match(await zt('hub', 'module-twin', 'update', ...module, '--desired', '{"a":1}'), { properties: { desired: { a: 1 } } });
  t.equal((await zt<object[]>('hub', 'module-identity', 'list', ...on, '-d', 'edge-1')).length, 3);
  await zt('hub', 'module-identity', 'delete', ...module);
  await t.rejects(zt('hub', 'module-twin', 'show', ...module), { code: 'CALL_REFUSED', message: /ModuleNotFound/ });
  t.match(await zt('hub', 'device-identity', 'list', ...on, '--edge-enabled'), [{ deviceId: 'edge-1' }]);
  t.strictSame(await zt('hub', 'device-identity', 'list', ...on, '--edge-enabled', 'false'), []);

  const configuration = [...on, '-c', 'faster'];
  const content = '{"content":{"deviceContent":{"properties.desired.every":5}}}';
  const made = ['hub', 'configuration', 'create', ...configuration, '--content', content, '--tc', 'tags.line = 7', '--pri', '3'];
  t.match(await zt(...made), { id: 'faster', priority: 3, content: { deviceContent: { 'properties.desired.every': 5 } } });
  t.match(await zt('hub', 'configuration', 'update', ...configuration, '--set', 'priority=4'), { priority: 4 });
  t.match(await zt('hub', 'configuration', 'list', ...on), [{ id: 'faster' }]);
  await zt('hub', 'configuration', 'delete', ...configuration);
  t.strictSame(await zt('hub', 'configuration', 'list', ...on), []);
});

t.test('hubs and their policies, as the resource manager has them', async (t) => {
  const cloud = await cloudFor(t);
  const { zt, folder } = verbsOver(t, cloud);
  t.equal((await zt<object[]>('hub', 'list')).length, 3, 'of every subscription');
  const made = await zt('hub', 'create', '--name', 'line-hub', '--sku', 'S2', '--unit', '3');
  t.match(made, {
    name: 'line-hub',
    identity: null,
    sku: { name: 'S2', capacity: 3 },
    properties: { hostName: 'line-hub.azure-devices.net' },
  });
  const { hubs } = await managementClients(t, cloud);
  t.match(await hubs.iotHubResource.get('zerotouch', 'line-hub'), { sku: { name: 'S2', capacity: 3 } });
  t.match(await zt('hub', 'update', '-n', 'line-hub', '--unit', '4', '--tags', 'a=b'), { sku: { capacity: 4 }, tags: { a: 'b' } });

  const policy = ['--hub-name', 'line-hub', '-n', 'own'];
  const all = await zt<object[]>('hub', 'policy', 'create', ...policy, '--permissions', 'RegistryWrite', 'ServiceConnect');
  t.match(all.at(-1), { keyName: 'own', rights: 'RegistryWrite, ServiceConnect' });
  const before = await zt<{ primaryKey: string; secondaryKey: string }>('hub', 'policy', 'show', ...policy);
  t.match(await zt('hub', 'policy', 'renew-key', ...policy, '--rk', 'swap'), {
    primaryKey: before.secondaryKey,
    secondaryKey: before.primaryKey,
  });
  const renewed = await zt<{ primaryKey: string }>('hub', 'policy', 'renew-key', ...policy, '--renew-key', 'secondary');
  t.match(renewed, { primaryKey: before.secondaryKey });
  t.notMatch(renewed, { secondaryKey: before.primaryKey });
  t.equal((await zt<object[]>('hub', 'policy', 'delete', ...policy)).length, all.length - 1);

  const one = await zt<{ connectionString: string }>('hub', 'connection-string', 'show', '-n', 'line-hub');
  t.strictSame(one, await zt('hub', 'show-connection-string', '--name', 'line-hub', '--key', 'primary'));
  t.match(await zt('hub', 'connection-string', 'show'), [{ name: String, connectionString: String }, {}, {}, {}]);
  writeFileSync(join(folder, 'login'), one.connectionString);
  t.strictSame(await zt('hub', 'device-twin', 'list', '--login', `@${join(folder, 'login')}`), []);
  t.match(await zt('hub', 'show-stats', '-n', 'line-hub'), { totalDeviceCount: 0 });
  t.equal(await zt('hub', 'delete', '-n', 'line-hub'), undefined);
  await t.rejects(zt('hub', 'show', '-n', 'line-hub'), { code: 'UNKNOWN_RESOURCE', message: /hub-weu/ });
  await t.rejects(zt('hub', 'device-identity', 'list'), { code: 'UNKNOWN_RESOURCE', message: /more than one/ });
});

t.test('as users run it: help, bad usage, no cloud', async (t) => {
  const folder = t.testdir();
  t.match(await run(folder, 'hub', 'list'), { code: 3, stdout: '', stderr: /^zerotouch: .*no local cloud[^\n]*\n$/ });
  t.match(await run(folder, 'dps', 'linked-hub', 'update'), {
    code: 2,
    stderr: /^zerotouch: required option '--linked-hub <name>' not specified[^\n]*\n$/,
  });
  const help = await run(folder, 'hub', 'policy', 'create', '--help');
  t.match(help, { code: 0, stdout: /-n, --name <name>[\s\S]*--permissions <rights...>/ });
});
