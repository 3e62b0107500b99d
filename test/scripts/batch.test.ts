import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { jsonLines, lastLine, run, runHere } from './support/command.js';

const spec = `version: 1
batch: after
groups:
  - { attestation: x509, enrolmentGroup: line, registrationId: 'pump-{serial}', serial: { count: 2 } }
  - { attestation: symmetric-key, enrolmentGroup: keys, registrationId: 'probe-{serial}', serial: { start: 3, count: 1 } }
`;

t.test('a batch after its burn', async (t) => {
  const dir = t.testdir({ 'batch.yaml': spec });
  const image = join(dir, 'out', 'images', 'pump-000001.bin');
  t.equal((await run(dir, 'burn', 'batch.yaml', '--out', 'out', '--quiet')).code, 0);

  await t.test('labels and a report', async (t) => {
    const labels = await runHere(dir, 'batch', 'labels', 'out', '--out', 'labels', '--symbol', 'data-matrix', '--json');
    t.match(lastLine(labels), { devices: 3, sheets: 1 }, labels.stderr);
    t.match(readFileSync(join(dir, 'labels', readdirSync(join(dir, 'labels'))[0] ?? ''), 'utf8'), /pump-000002/);
    t.equal((await runHere(dir, 'batch', 'report', 'out', '--out', 'report.html')).code, 0);
    const page = readFileSync(join(dir, 'report.html'), 'utf8');
    t.match(page, /^<!doctype html>/);
    for (const text of [
      'Batch after',
      'May ship: 3 images audited, 0 errors, 0 warnings',
      'pump-000002',
      'verified',
      '<p>None.</p>',
      'Signature',
    ])
      t.match(page, text);
    t.notMatch(page, /<script|https?:\/\/|src=/, 'it needs no other file');
    t.notMatch(page, /PRIVATE KEY|primaryKey/);
  });

  await t.test('shipped, returned, burnt again under a new key, shipped again: every step is kept', async (t) => {
    t.strictSame(lastLine(await runHere(dir, 'batch', 'ship', 'out', '--json')), { moved: 3, move: 'ship', batch: 'after' });
    const before = readFileSync(image);
    for (const move of ['return', 'reburn']) {
      const moved = await runHere(
        dir,
        'batch',
        move,
        'out',
        'pump-000001',
        '--reason',
        `water damage: ${move}`,
        '--operator',
        'Ada',
        '--station',
        'bench 2',
      );
      t.equal(moved.code, 0, moved.stderr);
    }
    rmSync(image);
    const again = await runHere(dir, 'burn', 'batch.yaml', '--out', 'out', '--resume', '--json', '--quiet');
    t.match(lastLine(again), { burnt: 1, failed: 0 }, again.stderr);
    t.notOk(readFileSync(image).equals(before), 'another key');
    t.match(lastLine(await runHere(dir, 'verify', 'out', '--shipped', '--json')), { images: 3, errors: 0, warnings: 0 });
    t.match(lastLine(await runHere(dir, 'batch', 'ship', 'out', '--json')), { moved: 1 });
    const told = jsonLines((await runHere(dir, 'batch', 'history', 'out', 'pump-000001', '--json')).stdout);
    t.match(told.at(-1), { registrationId: 'pump-000001', state: 'shipped' });
    const ways = told.slice(0, -1).map(({ from, to }) => `${String(from)} ${String(to)}`);
    t.strictSame(ways.slice(-5), ['returned planned', 'planned issued', 'issued burnt', 'burnt verified', 'verified shipped']);
    t.ok(told.some(({ reason, operator, station }) => reason === 'water damage: return' && operator === 'Ada' && station === 'bench 2'));
  });

  await t.test('what cannot be is refused, and moves nothing', async (t) => {
    const nobody = await runHere(dir, 'batch', 'scrap', 'out', 'pump-000002', 'nobody', '--reason', 'x');
    const noWay = await runHere(dir, 'batch', 'reburn', 'out', 'pump-000002', '--reason', 'x');
    const missing = await runHere(dir, 'batch', 'report', 'missing', '--out', 'r.html');
    t.match(nobody, { code: 2, stderr: /nobody/ });
    t.match(noWay, { code: 2, stderr: /pump-000002/ });
    t.match(missing, { code: 2, stderr: /missing/ });
    t.match(lastLine(await runHere(dir, 'batch', 'history', 'out', 'pump-000002', '--json')), { state: 'shipped' });
  });
});
