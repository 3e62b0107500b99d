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
  const progress = progressOn(stream, false)('burning');
  for (let done = 1; done <= 1000; done += 1) progress.update(done, 1000);
  progress.stop();
  const lines = text().trim().split('\n');
  t.equal(lines.length, 11);
  t.equal(lines.at(-1), 'burning: 1000 of 1000');
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
