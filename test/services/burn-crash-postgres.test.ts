import { exec } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { openLedger } from '@zerotouch/manufacturing/ledger/ledger';
import t from 'tap';
import { startBurn } from '../manufacturing/children.js';
import { batchProblems } from '../manufacturing/whole-batch.js';
import { folderOf, IMAGES, KILLS, killedBurn, spec } from './killed-burn.js';
import { postgresPlace } from './postgres-place.js';

t.test(`killed at ${KILLS} random moments, PostgreSQL`, async (t) => {
  const { address } = await postgresPlace(t);
  await killedBurn(t, { spec, out: join(folderOf('postgres'), 'batch'), address }, 'postgres');
});

t.test('two stations, PostgreSQL crashes and restarts under them, one station is unplugged', async (t) => {
  const { address } = await postgresPlace(t);
  const batch = { spec, out: join(folderOf('hall'), 'batch'), address };
  const [first, second, third] = [startBurn(batch), startBurn(batch), startBurn(batch)];
  await Promise.all([first.burning(), second.burning(), third.burning()]);
  await promisify(exec)(process.env.ZT_TEST_POSTGRES_RESTART ?? 'false');
  third.child.kill('SIGKILL');
  const ends = await Promise.all([first.end, second.end]);
  for (const { code, stderr, result } of ends) {
    t.equal(code, 0, stderr);
    t.match(result, { failed: 0 });
  }
  const ledger = await openLedger(address);
  t.strictSame(await batchProblems(batch.out, ledger, 'certified', IMAGES), []);
  await ledger.close();
});
