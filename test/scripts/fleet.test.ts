import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { composeImage } from '@zerotouch/flash-image/image';
import t from 'tap';
import { run, runHere } from './support/command.js';

const folder = t.testdir({
  'fleet.yaml': 'version: 1\nimages: batch\n',
  'wrong.yaml': 'version: 1\nimages: batch\nspeed: 3\n',
  'short.yaml': 'version: 1\nimages: batch\nscenarios: [{ scenario: dns-gone, share: 0.05 }]\ngiveUpAfterSeconds: 60\n',
});

t.test('a fleet that cannot be powered on says why in one line, and how it ended', async (t) => {
  const cases = [
    { args: ['nowhere.yaml'], code: 2, says: /nowhere\.yaml: the spec cannot be read/ },
    { args: ['wrong.yaml'], code: 2, says: /wrong\.yaml.*speed/ },
    { args: ['short.yaml'], code: 2, says: /short\.yaml:3:13 scenarios\.0: the scenario dns-gone cannot end/ },
    { args: ['fleet.yaml', '--workers', '0'], code: 2, says: /processes/ },
    { args: ['fleet.yaml', '--report', 'nowhere/run.html'], code: 2, says: /nowhere\/run\.html: the page cannot be written \(ENOENT\)/ },
    { args: ['fleet.yaml', '--trace-one-in', '0'], code: 2, says: /a number of devices/ },
    { args: ['fleet.yaml'], code: 3, says: /no local cloud runs in this folder/ },
    { args: ['fleet.yaml', '--endpoint', 'global.azure-devices-provisioning.net'], code: 2, says: /takes only a fleet with a rate/ },
  ];
  for (const { args, code, says } of cases) {
    const ended = await run(folder, 'fleet', ...args);
    t.equal(ended.code, code, args.join(' '));
    t.match(ended.stderr, says);
    t.equal(ended.stderr.trim().split('\n').length, 1, 'one line');
    t.equal(ended.stdout, '');
  }
});

t.test('a real endpoint is only met when it is named twice', async (t) => {
  const host = 'global.azure-devices-provisioning.net';
  mkdirSync(join(folder, 'batch'), { recursive: true });
  const factory = { idScope: '0ne00FFFFFF', endpoint: host, registrationId: 'a', serial: 'a', symmetricKey: Buffer.alloc(32) };
  writeFileSync(join(folder, 'batch', 'a.bin'), composeImage({ factory }));
  writeFileSync(join(folder, 'slow.yaml'), 'version: 1\nimages: batch\npowerOn: { profile: staggered, perSecond: 5 }\n');
  const ended = await runHere(folder, 'fleet', 'slow.yaml', '--endpoint', host);
  t.equal(ended.code, 2);
  t.match(ended.stderr, new RegExp(`expected --confirm ${host}`));
});

t.test('a queue that does not answer is said in one line without its secret', async (t) => {
  writeFileSync(join(folder, 'queue'), 'redis://:geheim@127.0.0.1:1\n');
  const ended = await runHere(folder, 'fleet-worker', '--queue', '@queue');
  t.equal(ended.code, 3);
  t.match(ended.stderr, /Redis at 127\.0\.0\.1:1: the queue does not answer/);
  t.notMatch(ended.stderr, /geheim/);
  t.equal(ended.stderr.trim().split('\n').length, 1, 'one line');
});

t.test('a fleet that burns as it goes says in one line what it lacks, before anything is burnt', async (t) => {
  const host = 'global.azure-devices-provisioning.net';
  const rate = 'powerOn: { profile: staggered, perSecond: 5 }\n';
  const group = '{ enrolmentGroup: x, attestation: x509, registrationId: "pump-{serial}", serial: { count: 3 } }';
  const dir = t.testdir({
    'unburnt.yaml': `version: 1\nburn: { spec: nowhere.yaml, out: out }\n${rate}`,
    'both.yaml': 'version: 1\nimages: out\nburn: { spec: batch.yaml, out: out }\n',
    'local.yaml': `version: 1\nburn: { spec: batch.yaml, out: out }\n${rate}`,
    'azure.yaml': `version: 1\nburn: { spec: azure-batch.yaml, out: out }\n${rate}`,
    'many.yaml': `version: 1\nburn: { spec: azure-batch.yaml, out: out }\ndevices: 4\n${rate}`,
    'batch.yaml': `version: 1\nbatch: local\ngroups:\n  - ${group}\n`,
    'azure-batch.yaml': `version: 1\nbatch: azure\nidScope: 0ne00FFFFFF\ngroups:\n  - ${group}\n`,
  });
  for (const [spec, says] of [
    ['unburnt.yaml', /nowhere\.yaml: the batch spec cannot be read/],
    ['both.yaml', /both\.yaml:2:9 images: a fleet has either images or burn; seen "both"/],
    ['local.yaml', /burnt for the local cloud/],
    ['many.yaml', /fewer devices than the fleet; seen 3; expected 4/],
    ['azure.yaml', /nobody said where; expected --to/],
  ] as const) {
    const ended = await runHere(dir, 'fleet', spec, '--endpoint', host, '--confirm', host, '--quiet');
    t.equal(ended.code, 2, spec);
    t.match(ended.stderr, says);
    t.equal(ended.stderr.trim().split('\n').length, 1, 'one line');
    t.notOk(existsSync(join(dir, 'out')));
  }
});
