import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { openLedger } from '@zerotouch/manufacturing/ledger/ledger';
import t from 'tap';
import { lastLine, runHere } from './support/command.js';

const spec = `version: 1
batch: pumps
groups:
  - { attestation: symmetric-key, enrolmentGroup: keys, registrationId: 'pump-{serial}', serial: { count: 3 } }
`;

t.test('burn records stations and operators in the ledger that is named, and goes on with --resume', async (t) => {
  const dir = t.testdir({ 'batch.yaml': spec });
  const burn = (...args: string[]) => runHere(dir, 'burn', 'batch.yaml', '--out', 'out', '--json', '--quiet', ...args);
  const first = await burn('--ledger', 'sqlite:hall.db', '--station', 'line-7', '--operator', 'kim');
  t.equal(first.code, 0, first.stderr);
  t.match(lastLine(await burn('--ledger', 'sqlite:hall.db', '--resume')), { burnt: 0, skipped: 3, failed: 0, out: join(dir, 'out') });
  const ledger = await openLedger(`sqlite:${join(dir, 'hall.db')}`);
  t.match(await ledger.device('pump-000002'), { state: 'verified', station: 'line-7', operator: 'kim' });
  await ledger.close();
  rmSync(join(dir, 'out', 'images', 'pump-000002.bin'));
  const lost = await burn('--ledger', 'sqlite:hall.db', '--resume');
  t.match({ code: lost.code, line: lastLine(lost) }, { code: 1, line: { burnt: 0, skipped: 2, failed: 1 } });
});

t.test('burn in several threads', async (t) => {
  const dir = t.testdir({ 'batch.yaml': spec });
  const burnt = await runHere(dir, 'burn', 'batch.yaml', '--out', 'out', '--json', '--quiet', '--workers', '2');
  t.equal(burnt.code, 0, burnt.stderr);
  t.match(lastLine(burnt), { burnt: 3, skipped: 0, failed: 0 });
  t.match(await runHere(dir, 'burn', 'batch.yaml', '--out', 'more', '--workers', 'all'), { code: 2, stderr: /how many threads, 1 to 256/ });
});

t.test('the address of a server is a secret', async (t) => {
  const dir = t.testdir({ 'batch.yaml': spec });
  const open = await runHere(dir, 'burn', 'batch.yaml', '--out', 'out', '--ledger', 'postgres://kim:hush@127.0.0.1:1/hall');
  t.match(open, { code: 2, stderr: /--ledger: .*env:NAME/ });
  t.notMatch(open.stderr, /hush/);
});

t.test('a ledger that is not there is not made by who only goes on with a batch', async (t) => {
  const dir = t.testdir({ 'batch.yaml': spec });
  t.equal((await runHere(dir, 'burn', 'batch.yaml', '--out', 'out', '--quiet')).code, 0);
  const misspelt = ['--ledger', 'sqlite:hal.db'];
  for (const words of [
    ['batch', 'ship', 'out', ...misspelt],
    ['batch', 'history', 'out', 'pump-000001', ...misspelt],
    ['batch', 'events', 'out', ...misspelt],
    ['batch', 'report', 'out', '--out', 'first.html', ...misspelt],
    ['verify', 'out', ...misspelt],
  ]) {
    t.match(await runHere(dir, ...words), { code: 2, stderr: /hal\.db: there is no ledger.*expected .*burn.*--ledger/ }, words.join(' '));
  }
  t.match(await runHere(dir, 'batch', 'history', 'nowhere', 'pump-000001'), { code: 2, stderr: /nowhere.ledger\.db: there is no ledger/ });
  t.same(readdirSync(dir).sort(), ['batch.yaml', 'out']);
});

t.test('a ledger in no folder, in a file, or that is a folder itself is refused by name', async (t) => {
  const dir = t.testdir({ 'batch.yaml': spec, folder: {} });
  for (const place of ['nowhere/led.db', 'batch.yaml/led.db', 'folder']) {
    const refused = await runHere(dir, 'burn', 'batch.yaml', '--out', 'out', '--ledger', `sqlite:${place}`);
    t.match(
      refused,
      { code: 2, stderr: /^zerotouch: the ledger .*: there can be no ledger here; seen .*expected .*folder.*--ledger/m },
      place,
    );
    t.ok(refused.stderr.includes(join(dir, place)));
  }
  t.same(readdirSync(dir).sort(), ['batch.yaml', 'folder']);
});
