import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startCloud } from '@zerotouch/cloud-sim/cloud';
import t from 'tap';
import { lastLine, runHere } from './support/command.js';

const spec = `version: 1
batch: proved
groups:
  - { attestation: x509, enrolmentGroup: line, registrationId: 'pump-{serial}', serial: { count: 1 } }
`;

t.test('the code that a DPS drew is signed by the CA that was uploaded', async (t) => {
  const dir = t.testdir({ 'batch.yaml': spec });
  t.equal((await runHere(dir, 'burn', 'batch.yaml', '--out', 'out', '--quiet')).code, 0);
  await using cloud = await startCloud();
  for (const [level, file, more] of [
    ['root', 'root.pem', []],
    ['line', 'line-line.pem', ['--group', 'line']],
  ] as const) {
    await cloud.certificates.upload(level, readFileSync(join(dir, 'out', 'ca', file), 'utf8'));
    const { verificationCode } = await cloud.certificates.generateVerificationCode(level);
    const { code, stdout, stderr } = await runHere(
      dir,
      'batch',
      'prove',
      'batch.yaml',
      '--out',
      'out',
      '--level',
      level,
      ...more,
      '--code',
      verificationCode,
    );
    t.equal(code, 0, stderr);
    t.match(await cloud.certificates.verify(level, stdout), { isVerified: true });
  }
  const named = ['batch', 'prove', 'batch.yaml', '--out', 'out', '--json'];
  t.match(lastLine(await runHere(dir, ...named, '--code', 'ABC')), { code: 'ABC', certificate: /^-----BEGIN CERTIFICATE-----/ });
  t.match(await runHere(dir, ...named, '--code', 'ABC', '--level', 'line', '--group', 'other'), {
    code: 2,
    stderr: /there is no such CA.*line-other\.pem|line-other\.pem.*there is no such CA/,
  });
  t.match(await runHere(dir, ...named, '--code', 'no code'), { code: 2, stderr: /not a verification code/ });
});
