import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLedger } from '@zerotouch/manufacturing/ledger/ledger';
import t from 'tap';
import { certified } from '../manufacturing/workbench.js';
import { jsonLines, lastLine, run } from '../scripts/support/command.js';
import { postgresPlace } from './postgres-place.js';

t.test('verify and report ask the ledger of the hall, and never show its address', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'verify-ledger-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  const { address } = await postgresPlace(t);
  writeFileSync(join(dir, 'batch.yaml'), certified('', 3));
  writeFileSync(join(dir, 'ledger.url'), address);
  const burnt = await run(dir, 'burn', 'batch.yaml', '--out', 'out', '--ledger', '@ledger.url', '--json', '--quiet');
  t.match(lastLine(burnt), { burnt: 3, failed: 0 }, burnt.stderr);
  const verify = () => run(dir, 'verify', 'out', '--ledger', '@ledger.url', '--shipped', '--json');
  t.match(lastLine(await verify()), { images: 3, errors: 0, warnings: 0 });
  const ledger = await openLedger(address);
  await ledger.transition('x-000002', 'quarantined', 'odd noise', { station: 'desk' });
  await ledger.transition('x-000003', 'scrapped', 'dropped', { station: 'desk' });
  await ledger.close();
  const found = await verify();
  t.equal(found.code, 1);
  t.match(
    jsonLines(found.stdout)
      .slice(0, -1)
      .map(({ code, where }) => `${code} ${where}`),
    ['DEVICE_QUARANTINED ledger, x-000002', 'LEDGER_MISMATCH ledger, x-000003'],
  );
  t.equal((await run(dir, 'batch', 'report', 'out', '--out', 'r.html', '--ledger', '@ledger.url')).code, 0);
  for (const refused of [
    await run(dir, 'verify', 'out', '--ledger', address),
    await run(dir, 'verify', 'out', '--ledger', 'env:ZT_NO_SUCH'),
  ])
    t.match(refused, { code: 2 });
  writeFileSync(
    join(dir, 'away.url'),
    address
      .replace(/:\d+\//, ':1/')
      .replace('//', '//hall:sesame@')
      .replace('@zerotouch@', '@'),
  );
  const away = await run(dir, 'verify', 'out', '--ledger', '@away.url');
  t.not(away.code, 0);
  t.notMatch(away.stdout + away.stderr + found.stdout, /sesame/);
});
