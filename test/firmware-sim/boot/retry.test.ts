import { backOffMs, budgetWaitMs, defaultRetryPolicy as policy, retrySchedule, spend } from '@zerotouch/firmware-sim/boot/retry';
import { type Machine, poweredOff, step } from '@zerotouch/firmware-sim/boot/supervisor';
import { seededEntropy } from '@zerotouch/foundation/entropy';
import fc from 'fast-check';
import t from 'tap';

t.test('waits grow to the cap with full jitter, and never below the floor', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 60 }), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (attempt, unit) => {
      const ms = backOffMs(policy, attempt, unit);
      return ms >= policy.floorMs && ms <= Math.max(policy.floorMs, Math.min(policy.capMs, policy.baseMs * 2 ** (attempt - 1)));
    }),
  );
});

t.test('a schedule is those waits one after the other, and heeds what a service asks for', async (t) => {
  const schedule = retrySchedule(policy, seededEntropy('schedule'));
  const entropy = seededEntropy('schedule');
  for (let attempt = 1; attempt <= 20; attempt++) t.equal(schedule.next().value, backOffMs(policy, attempt, entropy.unit()));
  const asked = schedule.next(7_000).value;
  t.ok(asked >= 7_000 && asked <= 8_750);
  const first = [...take(retrySchedule(policy, seededEntropy('x'), 8), 3)];
  t.equal(first.length, 3, 'it is iterable');
});

t.test('a device that cannot reach DPS waits by the schedule, and by what it is told', async (t) => {
  const schedule = retrySchedule(policy, { unit: () => 0.5 });
  const context = { now: 1_000, unit: () => 0.5, policy };
  let machine: Machine = { ...poweredOff, power: 'provisioning', assignment: 'locating' };
  for (const retryAfterMs of [0, 0, 0, 7_000, 0]) {
    const [after, effects] = step(machine, { table: 'assignment', failure: 'unavailable', retryAfterMs }, context);
    t.strictSame(effects, [{ do: 'wait', table: 'assignment', ms: schedule.next(retryAfterMs).value }]);
    [machine] = step(after, { table: 'assignment', event: 'due' }, context);
  }
});

t.test('no window of an hour sees more calls than the budget and what has come back meanwhile', async () => {
  fc.assert(
    fc.property(fc.array(fc.nat(600_000), { maxLength: 200 }), (gaps) => {
      let [now, restoredAt] = [1_000, 0];
      const calls: number[] = [];
      for (const gap of gaps) {
        now += Math.max(gap, budgetWaitMs(policy, restoredAt, now));
        restoredAt = spend(policy, restoredAt, now);
        calls.push(now);
      }
      const { budget } = policy;
      return calls.every((from, index) => calls.slice(index).filter((at) => at < from + budget.perMs).length <= 2 * budget.calls);
    }),
  );
});

function* take(source: Iterable<number>, count: number): Generator<number> {
  for (const value of source) {
    if (count-- <= 0) return;
    yield value;
  }
}
