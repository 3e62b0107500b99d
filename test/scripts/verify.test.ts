import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { jsonLines, lastLine, run, runHere } from './support/command.js';

const spec = `version: 1
batch: audited
groups:
  - { attestation: x509, enrolmentGroup: line, registrationId: 'pump-{serial}', serial: { count: 1 } }
  - { attestation: symmetric-key, enrolmentGroup: keys, registrationId: 'probe-{serial}', serial: { start: 2, count: 1 } }
`;

t.test('a batch is burnt and verified', async (t) => {
  const dir = t.testdir({ 'batch.yaml': spec });
  t.equal((await run(dir, 'burn', 'batch.yaml', '--out', 'out', '--quiet')).code, 0);

  t.test('as it was burnt there is nothing to tell', async (t) => {
    const ended = await runHere(dir, 'verify', 'out', '--batch', 'batch.yaml', '--shipped', '--json');
    t.match(ended, { code: 0, stderr: '' });
    t.strictSame(jsonLines(ended.stdout), [{ images: 2, errors: 0, warnings: 0 }]);
  });

  t.test('a horizon beyond the certificates is a warning, and exits 0', async (t) => {
    const ended = await runHere(dir, 'verify', 'out', '--horizon', '9999', '--json');
    t.equal(ended.code, 0);
    t.match(lastLine(ended), { images: 2, errors: 0, warnings: 3 });
  });

  t.test('a changed image is an error with code, reason and remedy, and exits 1', async (t) => {
    const path = join(dir, 'out', 'images', 'probe-000002.bin');
    const image = readFileSync(path);
    image.writeUInt8(1, 0xd800);
    writeFileSync(path, image);
    const ended = await runHere(dir, 'verify', 'out', '--json');
    t.equal(ended.code, 1);
    const [finding, result, ...more] = jsonLines(ended.stdout);
    t.strictSame(Object.keys(finding ?? {}), ['image', 'code', 'severity', 'where', 'reason', 'remedy']);
    t.match(finding, {
      image: 'out/images/probe-000002.bin',
      code: 'MANIFEST_MISMATCH',
      severity: 'error',
      where: 'partition esp_secure_cert',
    });
    t.strictSame(result, { images: 2, errors: 1, warnings: 0 });
    t.strictSame(more, []);
    const people = await runHere(dir, 'verify', 'out');
    t.match(
      people.stdout,
      /^error MANIFEST_MISMATCH: out\/images\/probe-000002\.bin: partition esp_secure_cert: .+\n2 images: 1 errors, 0 warnings\.\n$/,
    );
  });

  t.test('what cannot be verified is bad input', async (t) => {
    t.match(await runHere(dir, 'verify', 'missing'), { code: 2, stdout: '', stderr: /^zerotouch: missing: .+\n$/ });
    t.match(await runHere(dir, 'verify', 'out', '--shipped', '--fielded'), { code: 2, stdout: '' });
    t.match(await runHere(dir, 'verify', 'out', '--horizon', 'soon'), { code: 2, stdout: '' });
    t.match(await runHere(dir, 'verify', 'out', '--batch', 'missing.yaml'), { code: 2, stdout: '', stderr: /missing\.yaml/ });
    t.match(await runHere(dir, 'verify'), { code: 2, stdout: '' });
  });
});
