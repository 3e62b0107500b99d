import { Throttle } from '@zerotouch/cloud-sim/dps/throttle';
import { azureLimits } from '@zerotouch/cloud-sim/limits';
import { memoryStore } from '@zerotouch/cloud-sim/store/memory';
import { VirtualClock } from '@zerotouch/foundation/virtual-clock';
import t from 'tap';
import { openDesk } from './desk.js';

t.test('operators who call too often are told when to come again; strangers use up nothing', async (t) => {
  const clock = new VirtualClock();
  const throttle = new Throttle({ limits: { ...azureLimits, operationsPerMinute: 2 }, clock });
  const { call, log } = await openDesk(t, [], memoryStore(), throttle);
  const ask = () => call('GET', '/registrations/dev-1');
  t.equal((await call('GET', '/registrations/dev-1', { authorization: undefined })).status, 401);
  t.strictSame([(await ask()).status, (await ask()).status], [404, 404]);
  const refused = await ask();
  t.match(refused, { status: 429, body: { errorCode: 429001 } });
  t.equal(refused.headers['retry-after'], '60');
  t.match(log.at(-1), /calls of the service API: the limit is 2 a minute/);
  clock.advance(60_000);
  t.equal((await ask()).status, 404, 'a minute later');
});
