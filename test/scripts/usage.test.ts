import { readFileSync } from 'node:fs';
import t from 'tap';
import { run, runHere } from './support/command.js';

const verbs = ['demo', 'cloud', 'burn', 'inspect', 'verify', 'enroll', 'batch', 'boot', 'dps', 'hub', 'schema'];
const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };

t.test('help names every verb and every exit code, on stdout', async (t) => {
  const { code, stdout, stderr } = await run(t.testdir(), '--help');
  t.equal(code, 0);
  t.equal(stderr, '');
  for (const verb of verbs) t.match(stdout, new RegExp(`^  ${verb} `, 'm'));
  t.match(stdout, '130 ended by Ctrl-C');
});

t.test('each verb shows its options and an example', async (t) => {
  for (const verb of verbs) {
    const { code, stdout, stderr } = await runHere(t.testdir(), verb, '--help');
    t.equal(code, 0, verb);
    t.equal(stderr, '', verb);
    t.match(stdout, /Examples?:\n {2}\$ /, verb);
    t.match(stdout, '--json', `${verb} shows the options that all verbs share`);
  }
});

t.test('the version is the one of the package', async (t) => {
  t.match(await run(t.testdir(), '--version'), { code: 0, stdout: `${version}\n`, stderr: '' });
});

t.test('bad usage is one line on stderr and exit code 2', async (t) => {
  const cases: [args: string[], line: RegExp][] = [
    [[], /no verb given; expected one of .*cloud.*; see zerotouch --help/],
    [['brun'], /unknown command 'brun'.*see zerotouch --help/],
    [['burn'], /missing required argument 'spec'|required option '--out <dir>'.*see zerotouch burn --help/],
    [['burn', 'spec.yaml'], /required option '--out <dir>' not specified; see zerotouch burn --help/],
    [['inspect'], /missing required argument 'image'; see zerotouch inspect --help/],
    [['inspect', 'a', 'b'], /too many arguments/],
    [['inspect', 'a', '--unveil'], /unknown option '--unveil'.*see zerotouch inspect --help/],
    [['cloud', '--mqtt-port', '65536'], /expected a TCP port, 0 to 65535; see zerotouch cloud --help/],
    [['cloud', '--mqtt-port', '-1'], /port/],
    [['schema', 'flash'], /Allowed choices are batch/],
  ];
  for (const [index, [args, line]] of cases.entries()) {
    // The first as a process: its exit code is the shell's.
    const { code, stdout, stderr } = await (index === 0 ? run : runHere)(t.testdir(), ...args);
    t.equal(code, 2, args.join(' '));
    t.equal(stdout, '', args.join(' '));
    t.match(stderr, /^zerotouch: [^\n]+\n$/, args.join(' '));
    t.match(stderr, line, args.join(' '));
  }
});

t.test('schema prints the JSON Schema of the batch spec: indented for people, one line for programs', async (t) => {
  const people = await runHere(t.testdir(), 'schema', 'batch');
  const programs = await runHere(t.testdir(), 'schema', 'batch', '--json');
  t.equal(people.code, 0);
  t.equal(programs.code, 0);
  t.match(JSON.parse(people.stdout), { type: 'object', required: ['version', 'batch', 'groups'], additionalProperties: false });
  t.equal(programs.stdout.split('\n').length, 2);
  t.same(JSON.parse(programs.stdout), JSON.parse(people.stdout));
});
