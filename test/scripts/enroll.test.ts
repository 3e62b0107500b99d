import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startCloud } from '@zerotouch/cloud-sim/cloud';
import t from 'tap';
import { jsonLines, lastLine, run, runHere } from './support/command.js';

const spec = `version: 1
batch: enrolled
groups:
  - { attestation: x509, enrolmentGroup: line, registrationId: 'pump-{serial}', serial: { count: 1 } }
  - { attestation: symmetric-key, enrolment: individual, registrationId: 'probe-{serial}', serial: { start: 2, count: 2 } }
`;

t.test('a batch is enrolled at the local cloud', async (t) => {
  const dir = t.testdir({ 'batch.yaml': spec });
  t.equal((await run(dir, 'burn', 'batch.yaml', '--out', 'out', '--quiet')).code, 0);
  await using cloud = await startCloud();
  const { dps, ca } = cloud;
  const state = (changed: object = {}): void => {
    mkdirSync(join(dir, '.zerotouch'), { recursive: true });
    writeFileSync(join(dir, '.zerotouch', 'ca.pem'), ca);
    writeFileSync(join(dir, '.zerotouch', 'cloud.json'), JSON.stringify({ ready: true, dps: { ...dps, ...changed }, ca: 'ca.pem' }));
  };
  state();

  await t.test('a dry run tells what would change, and changes nothing', async (t) => {
    const people = await runHere(dir, 'enroll', 'out', '--dry-run');
    t.equal(people.code, 0, people.stderr);
    t.match(people.stdout, /^enrolment group line: would be created\n.*enrolment probe-000002: would be created\n/s);
    t.match(people.stdout, /Nothing was changed; it would be: 3 created, 0 updated, 0 unchanged\.\n$/);
    t.strictSame(await cloud.enrolments.groups(), []);
  });

  await t.test('then it is done, and done again it changes nothing', async (t) => {
    const ended = await runHere(dir, 'enroll', 'out', '--json');
    t.equal(ended.code, 0, ended.stderr);
    t.strictSame(lastLine(ended), { created: 3, updated: 0, unchanged: 0 });
    t.match(
      jsonLines(ended.stdout).find(({ event }) => event === 'certificate'),
      { name: /^enrolled-root/, todo: 'zerotouch cloud --enrollments out' },
    );
    t.notMatch(ended.stdout + ended.stderr, /SharedAccessKey|primaryKey/);
    t.strictSame(lastLine(await runHere(dir, 'enroll', 'out', '--json', '--quiet')), { created: 0, updated: 0, unchanged: 3 });
  });

  await t.test('with a connection string from a file, from the environment, never from the command line', async (t) => {
    writeFileSync(join(dir, 'dps.secret'), `${dps.serviceConnectionString}\n`);
    // Node trusts no private CA here: the service is there, and cannot be trusted.
    const untrusted = await runHere(dir, 'enroll', 'out', '--to', '@dps.secret');
    t.equal(untrusted.code, 3);
    t.notMatch(untrusted.stdout + untrusted.stderr, dps.serviceConnectionString.split('SharedAccessKey=')[1] ?? 'none');
    t.match(await runHere(dir, 'enroll', 'out', '--to', dps.serviceConnectionString), {
      code: 2,
      stderr: /not taken from the command line.*env:NAME/,
    });
    t.match(await runHere(dir, 'enroll', 'out', '--to', 'env:ZT_NO_SUCH'), { code: 2, stderr: /ZT_NO_SUCH/ });
    t.match(await runHere(dir, 'enroll', 'out', '--to', '@missing'), { code: 2, stderr: /@missing/ });
  });

  await t.test('bad input is 2, nobody there is 3', async (t) => {
    t.match(await runHere(dir, 'enroll', 'missing'), { code: 2, stderr: /missing\/enrolments\.json/ });
    t.match(await runHere(dir, 'enroll', 'out', '--group', 'nobody'), { code: 2, stderr: /nobody/ });
    t.match(await runHere(dir, 'enroll', 'out', '--cloud', 'missing.json'), { code: 3, stderr: /missing\.json/ });
    state({ idScope: '0ne00000FFF' });
    t.match(await runHere(dir, 'enroll', 'out'), { code: 2, stderr: /another ID scope/ });
    state({ serviceConnectionString: 'HostName=127.0.0.1:1;SharedAccessKeyName=a;SharedAccessKey=Zm9v' });
    t.match(await runHere(dir, 'enroll', 'out'), { code: 3, stdout: '', stderr: /127\.0\.0\.1:1/ });
  });
});
