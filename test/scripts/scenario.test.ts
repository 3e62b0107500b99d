import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { scenarios } from '@zerotouch/firmware-sim/scenario/shipped';
import Ajv from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import t from 'tap';
import { firstLine, jsonLines, lastLine, runHere, start } from './support/command.js';

const spec = `version: 1
batch: days
groups:
  - { attestation: symmetric-key, enrolmentGroup: keys, registrationId: 'k-{serial}', serial: { count: 1 }, initialTwin: { desired: { interval: 7 } } }
`;
const own = `version: 1
name: two-troubles
faults:
  - { when: start, fault: dps, answer: throttled, retryAfterSeconds: 60, times: 2 }
  - { when: { state: running }, fault: link-drop }
expect: { state: running, dpsCalls: 3 }
`;

t.test('bad days at the command, against the local cloud', async (t) => {
  const dir = t.testdir({
    'batch.yaml': spec,
    'own.yaml': own,
    'wrong.yaml': own.replace('dpsCalls: 3', 'dpsCalls: 1'),
    'unknown.yaml': own.replace('answer: throttled', 'answer: sulks'),
  });
  t.equal((await runHere(dir, 'burn', 'batch.yaml', '--out', 'batch')).code, 0);
  const image = join('batch', 'images', 'k-000001.bin');
  const before = readFileSync(join(dir, image));
  const cloud = start(dir, 'cloud', '--enrollments', 'batch', '--json', '--quiet');
  t.teardown(() => cloud.kill('SIGKILL'));
  await firstLine(cloud);
  const live = (scenario: string, client: string) => runHere(dir, 'boot', image, '--client', client, '--scenario', scenario, '--json');

  for (const [scenario, client] of [
    ['power-cut-assignment', 'sdk'],
    ['link-drops', 'wire'],
    ['own.yaml', 'wire'],
  ] as const) {
    t.test(`${scenario}, ${client}`, async (t) => {
      const ended = await live(scenario, client);
      t.match(lastLine(ended), { asExpected: true, state: 'running', hub: /azure-devices\.net$/, problems: [] });
      t.equal(ended.code, 0);
      t.ok(jsonLines(ended.stdout).some((line) => line.power === 1));
    });
  }

  t.test('a day that does not end as it should: exit 1', async (t) => {
    const ended = await live('wrong.yaml', 'wire');
    t.equal(ended.code, 1);
    t.match(lastLine(ended), { asExpected: false, problems: ['DPS was asked 3 times, not 1'] });
  });

  t.test('what is no scenario is bad input, told with its place', async (t) => {
    t.match(await live('unknown.yaml', 'wire'), { code: 2, stderr: /^zerotouch: unknown\.yaml:4:\d+ faults\.0\.answer: [^\n]*\n$/ });
    t.match(await live('no-such-day', 'wire'), { code: 2, stderr: /one of good-day, [^\n]*\n$/ });
    t.match(await live('gone.yaml', 'wire'), { code: 2, stderr: /^zerotouch: --scenario: [^\n]*\(ENOENT\)[^\n]*gone\.yaml[^\n]*\n$/ });
  });

  t.ok(before.equals(readFileSync(join(dir, image))), 'the image is as it was');
});

t.test('every shipped scenario is one by the schema', async (t) => {
  const { stdout } = await runHere(t.testdir(), 'schema', 'scenario');
  const ajv = new Ajv.default({ strict: false });
  addFormats.default(ajv);
  const valid = ajv.compile(JSON.parse(stdout));
  for (const scenario of scenarios) t.ok(valid(scenario), `${scenario.name} ${JSON.stringify(valid.errors)}`);
});
