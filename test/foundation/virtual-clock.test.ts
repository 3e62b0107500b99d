import { VirtualClock } from '@zerotouch/foundation/virtual-clock';
import t from 'tap';

t.test('a wait of no time is over at once; a longer one when the clock is moved', async (t) => {
  const clock = new VirtualClock();
  const over: string[] = [];
  const waits = [
    clock.wait(0).then(() => over.push('none')),
    clock.wait(-1).then(() => over.push('less')),
    clock.wait(5).then(() => over.push('five')),
  ];
  t.equal(clock.nextIn(), 5, 'who waits for nothing does not sleep');
  await new Promise(setImmediate);
  t.strictSame(over, ['none', 'less']);
  clock.advance(5);
  await Promise.all(waits);
  t.strictSame(over, ['none', 'less', 'five']);
});

t.test('a wait of no time that was aborted before ends with the reason', async (t) => {
  await t.rejects(new VirtualClock().wait(0, AbortSignal.abort()), { name: 'AbortError' });
});
