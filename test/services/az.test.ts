import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Cloud } from '@zerotouch/cloud-sim/cloud';
import t from 'tap';
import { OTHER_SUBSCRIPTION } from '../cloud-sim/arm/manager.js';
import { issue, makeAuthority } from '../cloud-sim/certificates.js';
import { derived, key } from '../cloud-sim/clouds.js';
import { register, signIn } from '../cloud-sim/official-clients.js';
import { firstLine, run, start } from '../scripts/support/command.js';

const GROUP_KEY = key('line 7');
const execute = promisify(execFile);

interface Link {
  name: string;
  allocationWeight: number;
  applyAllocationPolicy: boolean;
  connectionString: string;
}

t.test('the real az, pointed here by what the cloud prints, links, weighs and moves', async (t) => {
  const folder = t.testdir();
  const cloud = start(folder, 'cloud', '--json');
  t.teardown(() => cloud.kill('SIGTERM'));
  const state = JSON.parse(await firstLine(cloud)) as { dps: Cloud['dps']; ca: string };
  // What the official clients are told of a cloud.
  const reached = { dps: state.dps, ca: readFileSync(state.ca, 'utf8') } as Cloud;
  const printed = (await run(folder, 'cloud', '--print-az')).stdout.trim();
  await execute('bash', ['-euc', printed], { cwd: folder });
  const exports = printed.split('\n').filter((line) => line.startsWith('export '));
  const az = async <T = unknown>(...args: string[]): Promise<T> => {
    const script = `${exports.join('\n')}\nexec az "$@" --only-show-errors --output json`;
    const { stdout } = await execute('bash', ['-euc', script, 'az', ...args], { cwd: folder });
    return (stdout.trim() === '' ? undefined : JSON.parse(stdout)) as T;
  };
  const fails = async (message: RegExp, ...args: string[]) => t.rejects(az(...args), { message }, args.join(' '));
  const onDps = ['--dps-name', 'line-dps'];

  await az('group', 'create', '-n', 'line', '-l', 'westeurope');
  const made = await az<{ properties: { idScope: string } }>('iot', 'dps', 'create', '-n', 'line-dps', '-g', 'line');
  t.match(made, { name: 'line-dps', sku: { name: 'S1' }, properties: { state: 'Active', idScope: /^0ne[0-9A-F]{8}$/ } });
  t.match(await az('iot', 'dps', 'list', '-g', 'line'), [{ name: 'line-dps' }]);
  for (const hub of ['line-hub-a', 'line-hub-b']) {
    const hubMade = await az('iot', 'hub', 'create', '-n', hub, '-g', 'line', '--sku', 'S1', '--unit', '2', '-l', 'westeurope');
    t.match(hubMade, { name: hub, sku: { capacity: 2 }, properties: { hostName: `${hub}.azure-devices.net` } });
  }
  t.match(await az('iot', 'hub', 'show', '-n', 'line-hub-a', '-g', 'line'), { name: 'line-hub-a' });
  const inGroup = await az<{ name: string }[]>('resource', 'list', '-g', 'line');
  t.strictSame(inGroup.map(({ name }) => name).sort(), ['line-dps', 'line-hub-a', 'line-hub-b']);
  t.match(await az('resource', 'show', '-g', 'line', '-n', 'line-hub-a', '--resource-type', 'Microsoft.Devices/IotHubs'), {
    name: 'line-hub-a',
  });
  const [a, b] = ['line-hub-a.azure-devices.net', 'line-hub-b.azure-devices.net'] as const;

  const connectionString = async (hub: string, policy: string) =>
    (await az<{ connectionString: string }>('iot', 'hub', 'show-connection-string', '-n', hub, '--policy-name', policy)).connectionString;
  await az('iot', 'dps', 'linked-hub', 'create', ...onDps, '-g', 'line', '--hub-name', 'line-hub-a', '--allocation-weight', '1');
  const link = ['iot', 'dps', 'linked-hub', 'create', ...onDps, '--connection-string'];
  await fails(/lacks RegistryWrite, ServiceConnect/, ...link, await connectionString('line-hub-b', 'registryRead'));
  const linked = await az<Link[]>(...link, await connectionString('line-hub-b', 'iothubowner'), '--allocation-weight', '0');
  t.match(linked, [
    { name: a, allocationWeight: 1, connectionString: /SharedAccessKey=\*\*\*\*$/ },
    { name: b, allocationWeight: 0, connectionString: /SharedAccessKey=\*\*\*\*$/ },
  ]);

  await enrol(reached, await owner(az, onDps), GROUP_KEY);
  const spread = async (ids: readonly string[]) => {
    const registering = ids.map((id) => register(reached, id, { key: derived(GROUP_KEY, id) }, made.properties.idScope));
    const hubs: Record<string, number> = {};
    for (const { assignedHub } of await Promise.all(registering)) hubs[assignedHub] = (hubs[assignedHub] ?? 0) + 1;
    return hubs;
  };
  const ids = (prefix: string) => Array.from({ length: 12 }, (_, n) => `${prefix}-${n}`);
  t.strictSame(await spread(ids('first')), { [a]: 12 }, 'a weight of 0 gets nothing');

  const update = ['iot', 'dps', 'linked-hub', 'update', ...onDps, '--linked-hub'];
  await az(...update, 'line-hub-a', '--allocation-weight', '0');
  t.match(await az(...update, b, '--allocation-weight', '5'), { name: b, allocationWeight: 5 });
  t.strictSame(await spread(ids('second')), { [b]: 12 }, 'new devices follow the new weights, and the key of the hub is still good');
  await (await signIn(reached, a, 'first-0', { key: derived(GROUP_KEY, 'first-0') })).close();
  t.strictSame(await spread(['first-0']), { [b]: 1 }, 'one that registers again moves; one that does not stays');
  await t.rejects(signIn(reached, a, 'first-0', { key: derived(GROUP_KEY, 'first-0') }));
  await (await signIn(reached, a, 'first-1', { key: derived(GROUP_KEY, 'first-1') })).close();
  await az(...update, 'line-hub-a', '--allocation-weight', '1');
  await az(...update, 'line-hub-b', '--apply-allocation-policy', 'false');
  t.strictSame(await spread(ids('third')), { [a]: 12 }, 'a hub that is taken out gets nothing');
  t.match(await az('iot', 'dps', 'linked-hub', 'show', ...onDps, '--linked-hub', b), { applyAllocationPolicy: false });
  // What is ours of it prints what az prints.
  const alike = async (...args: string[]) => {
    const ours = await run(folder, ...args, '--json');
    t.strictSame(ours.stdout === '' ? ours : JSON.parse(ours.stdout), await az('iot', ...args), `zerotouch ${args.join(' ')}`);
  };
  await alike('dps', 'linked-hub', 'list', ...onDps);
  await alike('dps', 'linked-hub', 'show', ...onDps, '--linked-hub', 'line-hub-b');
  await alike('dps', 'linked-hub', 'update', ...onDps, '--linked-hub', a, '--allocation-weight', '2', '--apply-allocation-policy', 'true');
  await alike('dps', 'show', '-n', 'line-dps', '-g', 'line');
  await alike('dps', 'policy', 'list', ...onDps);
  await alike('hub', 'show', '-n', 'line-hub-a');
  await alike('hub', 'show-connection-string', '-n', 'line-hub-a', '--policy-name', 'service');
  t.match(await az('iot', 'dps', 'linked-hub', 'delete', ...onDps, '--linked-hub', 'line-hub-b'), [{ name: a }]);

  const onHub = ['--hub-name', 'line-hub-a'];
  await az('iot', 'hub', 'policy', 'renew-key', ...onHub, '-n', 'iothubowner', '--renew-key', 'primary');
  await t.rejects(spread(['fourth']), 'the link has the old key');
  await (await signIn(reached, a, 'third-0', { key: derived(GROUP_KEY, 'third-0') })).close();
  const fresh = await connectionString('line-hub-a', 'iothubowner');
  await az('iot', 'dps', 'update', '-n', 'line-dps', '--set', `properties.iotHubs[0].connectionString=${fresh}`);
  t.strictSame(await spread(['fourth']), { [a]: 1 }, 'now it has the new one');

  const elsewhere = ['--policy-name', 'iothubowner', '--subscription', OTHER_SUBSCRIPTION];
  const sea = await az<{ connectionString: string }>('iot', 'hub', 'show-connection-string', '-n', 'hub-sea', ...elsewhere);
  t.match(await az<Link[]>(...link, sea.connectionString, '--location', 'southeastasia'), [{ location: 'southeastasia' }, { name: a }]);
  await az(...update, 'line-hub-a', '--allocation-weight', '0');
  t.strictSame(await spread(ids('fifth')), { 'hub-sea.azure-devices.net': 12 }, 'hubs of two subscriptions serve one DPS');

  t.match(await az('iot', 'hub', 'update', '-n', 'line-hub-a', '--sku', 'S2', '--unit', '4'), { sku: { name: 'S2', capacity: 4 } });
  t.match(await az('iot', 'hub', 'update', '-n', 'hub-weu', '--c2d-ttl', '3', '--feedback-lock-duration', '20'), {
    properties: { cloudToDevice: { defaultTtlAsIso8601: '3:00:00', feedback: { lockDurationAsIso8601: '0:00:20' } } },
  });
  await fails(/S2, which cannot become B1/, 'iot', 'hub', 'update', '-n', 'line-hub-a', '--sku', 'B1');

  await az('iot', 'dps', 'policy', 'create', ...onDps, '--policy-name', 'reader', '-r', 'EnrollmentRead');
  t.match(await az('iot', 'dps', 'policy', 'list', ...onDps), [{ keyName: 'provisioningserviceowner' }, { keyName: 'reader' }]);
  await az('iot', 'hub', 'policy', 'create', '--hub-name', 'line-hub-a', '-n', 'own', '--permissions', 'RegistryWrite', 'ServiceConnect');
  t.match(await az('iot', 'hub', 'policy', 'show', '--hub-name', 'line-hub-a', '-n', 'own'), { rights: 'RegistryWrite, ServiceConnect' });

  const root = await makeAuthority('Line root');
  const [rootFile, proofFile] = [join(folder, 'root.pem'), join(folder, 'proof.pem')];
  writeFileSync(rootFile, root.pem);
  for (const [owner, whose] of [
    ['dps', onDps],
    ['hub', onHub],
  ] as const) {
    const certificate = ['iot', owner, 'certificate'];
    const named = [...whose, '-n', 'root'];
    const uploaded = await az<{ etag: string }>(...certificate, 'create', ...named, '-p', rootFile);
    const coded = await az<{ etag: string; properties: { verificationCode: string } }>(
      ...[...certificate, 'generate-verification-code', ...named, '-e', uploaded.etag],
    );
    writeFileSync(proofFile, (await issue(root, coded.properties.verificationCode)).cert);
    await fails(/PreconditionFailed/, ...certificate, 'verify', ...named, '-p', proofFile, '-e', uploaded.etag);
    t.match(await az(...certificate, 'verify', ...named, '-p', proofFile, '-e', coded.etag), { properties: { isVerified: true } });
  }

  t.match(await az('iot', 'dps', 'update', '-n', 'line-dps', '--set', 'properties.allocationPolicy=GeoLatency'), {
    properties: { allocationPolicy: 'GeoLatency' },
  });
  await az('iot', 'hub', 'delete', '-n', 'line-hub-b', '-g', 'line');
  t.match(await az('iot', 'hub', 'list', '-g', 'line'), [{ name: 'line-hub-a' }]);
  await az('iot', 'dps', 'delete', '-n', 'line-dps', '-g', 'line');
  await fails(/No DPS found|was not found/, 'iot', 'dps', 'show', '-n', 'line-dps');
});

async function owner(az: <T>(...args: string[]) => Promise<T>, onDps: string[]): Promise<string> {
  const policies = await az<{ keyName: string; primaryKey: string }[]>('iot', 'dps', 'policy', 'list', ...onDps);
  const { keyName, primaryKey } = policies[0] ?? { keyName: '', primaryKey: '' };
  return `HostName=line-dps.azure-devices-provisioning.net;SharedAccessKeyName=${keyName};SharedAccessKey=${primaryKey}`;
}

async function enrol({ dps, ca }: Cloud, connectionString: string, primaryKey: string): Promise<void> {
  const { default: https } = await import('node:https');
  const { default: provisioning } = await import('azure-iot-provisioning-service');
  const servername = 'line-dps.azure-devices-provisioning.net';
  https.globalAgent = new https.Agent({ host: '127.0.0.1', port: dps.httpsPort, servername, ca });
  const client = provisioning.ProvisioningServiceClient.fromConnectionString(connectionString);
  const attestation = { type: 'symmetricKey', symmetricKey: { primaryKey, secondaryKey: key('second') } };
  await client.createOrUpdateEnrollmentGroup({ enrollmentGroupId: 'line', attestation } as never);
  https.globalAgent.destroy();
}
