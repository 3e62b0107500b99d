import { EventEmitter } from 'node:events';
import { Pulse } from '@zerotouch/firmware-sim/agent/pulse';
import type { Device, DeviceEvents } from '@zerotouch/firmware-sim/runtime/device';
import { VirtualClock } from '@zerotouch/foundation/virtual-clock';
import t from 'tap';

const HOUR_MS = 60 * 60_000;

t.test('a device must be heard, but where it may rightly be silent', async (t) => {
  const clock = new VirtualClock();
  const pulse = new Pulse(clock);
  const said = new EventEmitter<DeviceEvents>();
  pulse.attend(said as unknown as Device);
  clock.advance(HOUR_MS);
  t.ok(pulse.overdueMs > 0, 'it never began');
  said.emit('state', { table: 'session', state: 'connecting', ms: 0 });
  t.equal(pulse.overdueMs, 0);
  clock.advance(HOUR_MS);
  t.ok(pulse.overdueMs > 0, 'connecting has its time');
  said.emit('state', { table: 'assignment', state: 'refused', ms: 0 });
  said.emit('wait', { table: 'assignment', ms: HOUR_MS });
  clock.advance(HOUR_MS);
  t.equal(pulse.overdueMs, 0, 'a wait that was announced');
  clock.advance(HOUR_MS);
  t.ok(pulse.overdueMs > 0, 'which has not ended');
  for (const state of ['running', 'halted', 'safe'] as const) {
    said.emit('state', { table: 'power', state, ms: 0 });
    clock.advance(100 * HOUR_MS);
    t.equal(pulse.overdueMs, 0, `${state} is a rest`);
  }
});
