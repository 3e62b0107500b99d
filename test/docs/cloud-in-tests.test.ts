import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';

const guide = readFileSync(new URL('../../../docs/guides/cloud-in-tests.md', import.meta.url), 'utf8');
const examples = [...guide.matchAll(/^```js file=(\S+) runner=(\S+)\n([\s\S]*?)^```$/gm)].map(([, file = '', runner = '', code = '']) => ({
  file,
  runner,
  // The published package is this room.
  code: code.replace("'zerotouch/cloud'", JSON.stringify(import.meta.resolve('@zerotouch/cloud-sim/cloud'))),
}));

t.strictSame(
  examples.map(({ runner }) => runner),
  ['node:test', 'tap', 'tap', 'node:test'],
  'the examples of the guide',
);

for (const { file, runner, code } of examples) {
  t.test(`${file} runs with ${runner}`, async (t) => {
    const dir = t.testdir({ [file]: code });
    const { NODE_TEST_CONTEXT: _, NODE_OPTIONS: __, TAP: ___, ...env } = process.env;
    const args = runner === 'node:test' ? ['--test', '--test-reporter=tap', join(dir, file)] : [join(dir, file)];
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: dir, env: { ...env, TAP: '1' } });
    t.match(stdout, /^ok 1 /m);
    t.notMatch(stdout, /^\s*not ok/m);
  });
}
