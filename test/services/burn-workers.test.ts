import { join } from 'node:path';
import type { BurnEvent } from '@zerotouch/manufacturing/batch';
import { openLedger } from '@zerotouch/manufacturing/ledger/ledger';
import t from 'tap';
import { batchProblems } from '../manufacturing/whole-batch.js';
import { burn, certified, MIXED } from '../manufacturing/workbench.js';

t.test('several threads burn one batch, each device once', async (t) => {
  const out = join(t.testdir(), 'batch');
  const events: BurnEvent[] = [];
  const summary = await burn(MIXED.replace('start: 1, count: 3', 'start: 100, count: 30'), out, {
    workers: 2,
    onProgress: (event) => events.push(event),
    author: { station: 'line-7', operator: 'kim' },
  });
  t.match(summary, { burnt: 37, skipped: 0, failed: 0, aborted: false });
  const burnt = events.filter((event) => event.kind === 'burnt');
  t.equal(new Set(burnt.map(({ registrationId }) => registrationId)).size, 37);
  t.match(burnt.at(-1), { done: 37, total: 37, image: /^images\/.*\.bin$/ });
  const ledger = await openLedger(`sqlite:${join(out, 'ledger.db')}`);
  t.teardown(() => ledger.close());
  t.strictSame(await batchProblems(out, ledger, 'mixed', 37), []);
  t.match(await ledger.device('x-000100'), { station: 'line-7', operator: 'kim' });
});

t.test('threads stop when they are asked to, and go on with resume', async (t) => {
  const out = join(t.testdir(), 'batch');
  const controller = new AbortController();
  const onProgress = ({ kind }: BurnEvent): void => {
    if (kind === 'burnt') controller.abort();
  };
  const text = certified('', 150);
  const first = await burn(text, out, { workers: 2, onProgress, signal: controller.signal });
  t.match(first, { failed: 0, aborted: true });
  t.ok(first.burnt < 150, `${first.burnt} burnt`);
  const second = await burn(text, out, { workers: 2, resume: true });
  t.match(second, { burnt: 150 - first.burnt, skipped: first.burnt, failed: 0, aborted: false });
});

t.test('what a thread cannot do is told as it would be without threads', async (t) => {
  const out = join(t.testdir(), 'batch');
  const ledger = await openLedger(`sqlite:${join(t.testdir(), 'ledger.db')}`);
  t.teardown(() => ledger.close());
  Object.defineProperty(ledger, 'address', { value: 'sqlite:/proc/none/ledger.db' });
  await t.rejects(burn(certified(), out, { workers: 2, ledger }), { code: 'LEDGER_UNUSABLE', seen: 'ENOENT' });
});
