import { join } from 'node:path';
import { azureLimits, startCloud } from '@zerotouch/cloud-sim/cloud';
import { limitValues } from '@zerotouch/cloud-sim/limits';
import { readCloudConfig } from '@zerotouch/scripts/cloud-config';
import Ajv from 'ajv/dist/2020.js';
import t from 'tap';
import { parse } from 'yaml';
import { ending, firstLine, run, runHere, start } from './support/command.js';

const WHOLE = `version: 1
idScope: 0ne0000BEEF
hubs:
  - { host: hub-one.azure-devices.net, region: westeurope, subscription: 3f0c1a52-6f1e-4d0b-9a3e-0d5c7b1e8a01 }
retryAfterSeconds: 0.5
connectTimeoutSeconds: 10
webhookTimeoutSeconds: 2
limits: { registrationsPerMinute: 100, devicesPerHub: none }
regions: [westeurope, eastus]
latencies: { westeurope: { eastus: 80 } }
data: kept
workers: 1
policies:
  - { name: reader, rights: [EnrollmentRead] }
behaviours:
  - { behaviour: dropping, share: 0.2, times: 5, only: pump-1 }
  - { behaviour: wrong-clock, aheadSeconds: 0 }
`;

t.test('a configuration says what code says', async (t) => {
  const dir = t.testdir({ 'cloud.yaml': WHOLE });
  const options = await readCloudConfig(join(dir, 'cloud.yaml'));
  t.match(options, { idScope: '0ne0000BEEF', retryAfterSeconds: 0.5, workers: 1, data: join(dir, 'kept') });
  t.match(limitValues(options.limits), {
    registrationsPerMinute: 100,
    devicesPerHub: Number.POSITIVE_INFINITY,
    linkedHubs: azureLimits.linkedHubs,
  });
  t.strictSame(
    options.behaviours?.map(({ name }) => name),
    ['dropping (0.2), 5 times, only pump-1', 'wrongClock (0 ms)'],
  );
  await using cloud = await startCloud(options);
  t.match(cloud, { dps: { idScope: '0ne0000BEEF' }, hubs: [{ host: 'hub-one.azure-devices.net' }], fronts: [{ pid: Number }] });
  t.strictSame(
    cloud.dps.edges.map(({ region }) => region),
    ['westeurope', 'eastus'],
  );
});

t.test('a wrong configuration is refused with its place', async (t) => {
  for (const [text, code, where, message] of [
    ['version: 1\nhubz: []\n', 'BAD_CONFIG', /cloud\.yaml:2:7 hubz$/, /unknown field "hubz"/],
    ['idScope: 0ne0000BEEF\n', 'BAD_CONFIG', /version$/, /1/],
    ['version: 2\n', 'BAD_CONFIG', /cloud\.yaml:1:10 version$/, /1/],
    ['version: 1\nworkers: -1\n', 'BAD_CONFIG', /cloud\.yaml:2:10 workers$/, />=0/],
    ['version: 1\nlimits: { polls: 3 }\n', 'BAD_CONFIG', /cloud\.yaml:2:18 limits\.polls$/, /unknown field "polls"/],
    ['version: 1\nhubs:\n  - { host: a b, region: x, subscription: y }\n', 'BAD_CONFIG', /cloud\.yaml:3:13 hubs\.0\.host$/, /no host name/],
    ['version: 1\npolicies: [{ name: a, rights: [All] }]\n', 'BAD_CONFIG', /policies\.0\.rights\.0$/, /EnrollmentRead/],
    ['version: 1\nbehaviours: [{ behaviour: flaky, share: 2 }]\n', 'BAD_CONFIG', /behaviours\.0\.share$/, /<=1/],
    ['version: [\n', 'CONFIG_SYNTAX', /cloud\.yaml:\d+:\d+$/, /./],
    ['version: *nowhere\n', 'CONFIG_SYNTAX', /cloud\.yaml$/, /nowhere/],
  ] as const) {
    const dir = t.testdir({ 'cloud.yaml': text });
    await t.rejects(readCloudConfig(join(dir, 'cloud.yaml')), { code, where, message }, text);
  }
  await t.rejects(readCloudConfig(t.testdirName), { code: 'CONFIG_UNREADABLE', where: t.testdirName, seen: 'EISDIR' }, 'a folder');
  const dir = t.testdir({ 'cloud.yaml': 'version: 1\nwebhookCa: ca.pem\n' });
  await t.rejects(readCloudConfig(join(dir, 'cloud.yaml')), { code: 'ENOENT' });
});

t.test('the schema takes what the command takes', async (t) => {
  const { code, stdout } = await run(t.testdir({}), 'schema', 'cloud');
  t.equal(code, 0);
  const validate = new Ajv.default({ strict: false, formats: { uuid: true } }).compile(JSON.parse(stdout) as object);
  t.ok(validate(parse(WHOLE)), JSON.stringify(validate.errors));
  t.notOk(validate({ version: 1, hubz: [] }));
});

t.test('options of the command go before its file; a bad file ends it with exit code 2', async (t) => {
  const dir = t.testdir({ 'cloud.yaml': 'version: 1\nidScope: 0ne0000BEEF\nworkers: 1\n', 'bad.yaml': 'version: 1\nhubz: 1\n' });
  const refused = await runHere(dir, 'cloud', '--config', 'bad.yaml');
  t.equal(refused.code, 2);
  t.match(refused.stderr, /bad\.yaml:.* hubz/);
  const cloud = start(dir, 'cloud', '--config', 'cloud.yaml', '--workers', '0', '--json');
  const whole = ending(cloud);
  t.teardown(() => cloud.kill('SIGKILL'));
  t.match(JSON.parse(await firstLine(cloud)), { ready: true, dps: { idScope: '0ne0000BEEF' } });
  cloud.kill('SIGTERM');
  t.equal((await whole).code, 0);
});
