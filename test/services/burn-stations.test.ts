import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openLedger } from '@zerotouch/manufacturing/ledger/ledger';
import t from 'tap';
import { startBurn } from '../manufacturing/children.js';
import { batchProblems } from '../manufacturing/whole-batch.js';
import { certified } from '../manufacturing/workbench.js';
import { folderInMemory } from '../support/folder-in-memory.js';

const COUNT = 80;
const place = folderInMemory(t);
const spec = join(place, 'spec.yaml');
writeFileSync(spec, certified('', COUNT));

const newBatch = (name: string) => {
  const folder = join(place, name);
  mkdirSync(folder);
  return { spec, out: join(folder, 'batch'), address: `sqlite:${join(folder, 'ledger.db')}` };
};

t.test('stations that start at once share a new batch without a duplicate', async (t) => {
  const batch = newBatch('shared');
  const ends = await Promise.all([startBurn(batch).end, startBurn(batch).end]);
  for (const { code, stderr, result } of ends) {
    t.equal(code, 0, stderr);
    t.match(result, { failed: 0 });
    t.equal((result?.burnt ?? 0) + (result?.skipped ?? 0), COUNT, 'each tells of the whole batch');
  }
  t.equal(
    ends.reduce((sum, { result }) => sum + (result?.burnt ?? 0), 0),
    COUNT,
    'each device is burnt by one of them',
  );
  const ledger = await openLedger(batch.address);
  t.teardown(() => ledger.close());
  t.strictSame(await batchProblems(batch.out, ledger, 'certified', COUNT), []);
});

t.test('a station that is unplugged is made up for by the other', async (t) => {
  const batch = newBatch('unplugged');
  const first = startBurn({ ...batch, stallAfter: 5 });
  await first.stalled;
  const second = startBurn(batch);
  await second.burning();
  first.child.kill('SIGKILL');
  t.equal((await first.end).signal, 'SIGKILL', 'it was at work, with devices in hand that the other one could not take');
  const { code, stderr } = await second.end;
  t.equal(code, 0, stderr);
  const ledger = await openLedger(batch.address);
  t.teardown(() => ledger.close());
  t.strictSame(await batchProblems(batch.out, ledger, 'certified', COUNT), []);
});
