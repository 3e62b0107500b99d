import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isJsonObject } from '@zerotouch/azure-wire/twin';
import t from 'tap';
import { type Ended, jsonLines, type Line, lastLine, run, runHere } from './support/command.js';

const spec = `version: 1
batch: smallest
groups:
  - { attestation: x509, enrolmentGroup: line, registrationId: 'pump-{serial}', serial: { count: 1 } }
  - { attestation: symmetric-key, enrolmentGroup: keys, registrationId: 'probe-{serial}', serial: { start: 2, count: 1 } }
`;

function fieldOf({ partitions }: Line, name: string): Line {
  const fields = (partitions as { fields: Line[] }[]).flatMap((partition) => partition.fields);
  return fields.find((field) => field.name === name) ?? {};
}

t.test('a batch is burnt and inspected', async (t) => {
  const dir = t.testdir({ 'batch.yaml': spec });
  const burnt = await run(dir, 'burn', 'batch.yaml', '--out', 'out', '--json');

  t.test('burn tells each device, then the result', async (t) => {
    t.equal(burnt.code, 0, burnt.stderr);
    t.strictSame(Object.keys(lastLine(burnt)), ['burnt', 'skipped', 'failed', 'seconds', 'out']);
    t.match(lastLine(burnt), { burnt: 2, skipped: 0, failed: 0, seconds: Number, out: join(dir, 'out') });
    const told = jsonLines(burnt.stdout).filter(({ event }) => event === 'burnt');
    t.strictSame(told.map(({ registrationId }) => registrationId).sort(), ['probe-000002', 'pump-000001']);
    t.match(burnt.stderr, 'burning: 2 of 2', 'progress is on stderr');
  });

  t.test('what holds keys is for its owner only', async (t) => {
    for (const name of ['enrolments.json', 'images/pump-000001.bin', 'images/probe-000002.bin']) {
      t.equal(statSync(join(dir, 'out', name)).mode & 0o777, 0o600, name);
    }
  });

  t.test('a second burn into the folder is refused, and quiet is quiet', async (t) => {
    const again = await runHere(dir, 'burn', 'batch.yaml', '--out', 'out', '--quiet');
    t.match(again, { code: 2, stdout: '', stderr: /^zerotouch: .*already holds a batch.*\n$/ });
    t.match(await runHere(dir, 'burn', 'batch.yaml', '--out', 'other', '--quiet'), { code: 0, stderr: '', stdout: /2 burnt in / });
  });

  t.test('inspect masks the private key', async (t) => {
    const image = 'out/images/pump-000001.bin';
    const masked = await runHere(dir, 'inspect', image, '--json');
    const tree = lastLine(masked);
    t.equal(masked.code, 0);
    t.match(tree, {
      image,
      size: 0x20000,
      identity: { registrationId: 'pump-000001', serial: '000001', idScope: '0ne00000A1B', attestation: 'x509' },
    });
    t.equal(fieldOf(tree, 'private key').value, '********');
    const chain = fieldOf(tree, 'device certificate').certificates;
    t.match(chain, [{ subject: 'CN=pump-000001', thumbprint: /^[0-9A-F]{64}$/ }, { subject: /^CN=smallest/ }]);
    const key = keyOf(await runHere(dir, 'inspect', image, '--json', '--reveal'), 'private key');
    t.notMatch(masked.stdout, key);
    t.notMatch((await runHere(dir, 'inspect', image)).stdout, key);
  });

  t.test('inspect masks the symmetric key', async (t) => {
    const image = 'out/images/probe-000002.bin';
    const masked = await runHere(dir, 'inspect', image, '--json');
    t.match(lastLine(masked), { identity: { registrationId: 'probe-000002', attestation: 'symmetric-key' } });
    const revealed = await runHere(dir, 'inspect', image, '--json', '--reveal');
    const key = keyOf(revealed, 'dps/sym_key');
    t.equal(Buffer.from(key, 'base64').length, 32);
    t.notMatch(masked.stdout, key);
    const people = await runHere(dir, 'inspect', image, '--reveal');
    t.match(people.stdout, key, 'shown when it was asked for');
  });

  t.test('no group key is in any image', async (t) => {
    const enrolments: unknown = JSON.parse(readFileSync(join(dir, 'out', 'enrolments.json'), 'utf8'));
    const keys = symmetricKeysIn(enrolments);
    t.equal(keys.length, 2, 'a primary and a secondary key');
    for (const name of readdirSync(join(dir, 'out', 'images'))) {
      const image = readFileSync(join(dir, 'out', 'images', name));
      for (const key of keys) t.notOk(image.includes(Buffer.from(key, 'base64')) || image.includes(key), name);
    }
  });
});

t.test('what is no image is refused with the file, the place and exit code 2', async (t) => {
  const dir = t.testdir({ empty: '', text: 'hello', folder: {} });
  writeFileSync(join(dir, 'garbage'), Buffer.alloc(0x20000, 0x5a));
  writeFileSync(join(dir, 'erased'), Buffer.alloc(0x20000, 0xff));
  for (const name of ['empty', 'text', 'folder', 'garbage', 'erased', 'missing']) {
    const { code, stdout, stderr } = await runHere(dir, 'inspect', name, '--json');
    t.equal(code, 2, name);
    t.equal(stdout, '', name);
    t.match(stderr, new RegExp(`^zerotouch: ${name}: [^\\n]+\\n$`), name);
  }
});

t.test('a spec that cannot be used is refused with file and field, and nothing is written', async (t) => {
  const dir = t.testdir({
    'unknown.yaml': `${spec}colour: red\n`,
    'broken.yaml': 'version: [1',
    'empty.yaml': '',
  });
  const cases: [file: string, line: RegExp][] = [
    ['unknown.yaml', /unknown\.yaml:6:1.*colour/],
    ['broken.yaml', /broken\.yaml:1:/],
    ['empty.yaml', /empty\.yaml/],
    ['missing.yaml', /missing\.yaml.*ENOENT/],
  ];
  for (const [file, line] of cases) {
    const { code, stderr } = await runHere(dir, 'burn', file, '--out', 'out');
    t.equal(code, 2, file);
    t.match(stderr, /^zerotouch: [^\n]+\n$/, file);
    t.match(stderr, line, file);
  }
  t.notOk(readdirSync(dir).includes('out'));
});

t.test('only --debug shows where a failure came from', async (t) => {
  const { code, stderr } = await runHere(t.testdir(), 'inspect', 'missing', '--debug');
  t.equal(code, 2);
  t.match(stderr, /^zerotouch: missing: [^\n]+\n.*\n {4}at /s);
});

function keyOf(ended: Ended, name: string): string {
  const { value } = fieldOf(lastLine(ended), name);
  if (typeof value !== 'string' || value.length < 40) throw new Error(`no ${name} was shown`);
  return value;
}

function symmetricKeysIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(symmetricKeysIn);
  if (!isJsonObject(value)) return [];
  return Object.entries(value).flatMap(([key, member]) =>
    /^(primary|secondary)Key$/.test(key) && typeof member === 'string' ? [member] : symmetricKeysIn(member),
  );
}
