import { PassThrough } from 'node:stream';
import { progressOn } from '@zerotouch/scripts/progress';
import t from 'tap';

/** A stream that keeps what was written; a terminal if asked to be one. */
function sink(isTTY: boolean) {
  const stream = Object.assign(new PassThrough(), { isTTY, columns: 80 });
  return { stream, text: () => String(stream.read() ?? '') };
}

t.test('elsewhere than on a terminal, progress is a plain line each tenth', async (t) => {
  const { stream, text } = sink(false);
  const progress = progressOn(stream, false, () => 0)('burning');
  for (let done = 1; done <= 1000; done += 1) progress.update(done, 1000);
  progress.stop();
  const lines = text().trim().split('\n');
  t.equal(lines.length, 11);
  t.equal(lines.at(-1), 'burning: 1000 of 1000');
});

t.test('the rate and the time left are told as soon as they are known', async (t) => {
  for (const isTTY of [true, false]) {
    const { stream, text } = sink(isTTY);
    let now = 0;
    const progress = progressOn(stream, false, () => now)('burning');
    progress.update(0, 100_000);
    const said: string[] = [text()];
    for (const [done, ms] of [
      [10_000, 5000],
      [20_000, 200_000],
      [90_000, 20_000_000],
      [100_000, 20_000_100],
    ] as const) {
      now = ms;
      progress.update(done, 100_000);
      said.push(text());
    }
    progress.stop();
    if (isTTY) continue;
    t.strictSame(said, [
      'burning: 0 of 100000\n',
      'burning: 10000 of 100000, 2000/s, 45 s left\n',
      'burning: 20000 of 100000, 100/s, 14 min left\n',
      'burning: 90000 of 100000, 4.5/s, 38 min left\n',
      'burning: 100000 of 100000, 5.0/s\n',
    ]);
  }
});

t.test('nothing to do is shown as done', async (t) => {
  const { stream, text } = sink(false);
  progressOn(stream, false)('burning').update(0, 0);
  t.equal(text(), 'burning: 0 of 0\n');
});

t.test('on a terminal, progress is a bar', async (t) => {
  const { stream, text } = sink(true);
  const progress = progressOn(stream, false)('burning');
  progress.update(1, 4);
  progress.update(2, 4);
  progress.stop();
  progress.stop();
  t.match(text(), /burning \[.*1\/4/);
});

t.test('a bar that was never updated leaves nothing', async (t) => {
  const { stream, text } = sink(true);
  progressOn(stream, false)('burning').stop();
  t.equal(text(), '');
});

t.test('quiet is quiet', async (t) => {
  for (const isTTY of [true, false]) {
    const { stream, text } = sink(isTTY);
    const progress = progressOn(stream, true)('burning');
    progress.update(1, 1);
    progress.stop();
    t.equal(text(), '');
  }
});
