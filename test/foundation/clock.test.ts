import { systemClock } from '@zerotouch/foundation/clock';
import t from 'tap';

t.test('wall-clock time is in milliseconds since 1970', async (t) => {
  t.equal(new Date(systemClock.now()).getUTCFullYear(), new Date().getUTCFullYear());
});

t.test('monotonic time does not go back, and goes on during a wait', async (t) => {
  const before = systemClock.monotonic();
  await systemClock.wait(2);
  t.ok(systemClock.monotonic() > before);
});

t.test('a wait ends with the reason of an abort', async (t) => {
  const controller = new AbortController();
  const wait = systemClock.wait(60_000, controller.signal);
  const reason = new Error('power cut');
  controller.abort(reason);
  t.equal(await wait.catch((error: unknown) => error), reason);
});

t.test('a wait that is aborted before it starts does not start', async (t) => {
  await t.rejects(systemClock.wait(60_000, AbortSignal.abort()), { name: 'AbortError' });
});
