import { allocateHashed } from '@zerotouch/cloud-sim/dps/allocation';
import { decideMove } from '@zerotouch/cloud-sim/dps/reprovision';
import { twinProblem, twinSize } from '@zerotouch/cloud-sim/hub/twin-limits';
import fc from 'fast-check';
import t from 'tap';

const candidates = fc.uniqueArray(fc.record({ host: fc.domain(), weight: fc.integer({ min: 1, max: 1000 }) }), {
  selector: ({ host }) => host,
  minLength: 1,
  maxLength: 10,
});
const id = fc.stringMatching(/^[a-z0-9-]{1,40}$/);

t.test('allocation is stable: order does not matter, and losing a hub moves its own devices only', async () => {
  fc.assert(
    fc.property(id, candidates, fc.nat(), (device, hubs, pick) => {
      const chosen = allocateHashed(device, hubs);
      const lost = hubs[pick % hubs.length];
      const rest = hubs.filter((hub) => hub !== lost);
      const again = allocateHashed(device, rest);
      return (
        hubs.some(({ host }) => host === chosen) &&
        allocateHashed(device, hubs.toReversed()) === chosen &&
        (lost?.host === chosen ? again !== chosen : again === chosen)
      );
    }),
  );
});

t.test('allocation follows the weights', async (t) => {
  const hubs = [
    { host: 'a.net', weight: 1 },
    { host: 'b.net', weight: 3 },
    { host: 'c.net', weight: 0 },
  ];
  const counts = new Map<string | undefined, number>();
  for (let index = 0; index < 4000; index++) {
    const host = allocateHashed(`dev-${index}`, hubs);
    counts.set(host, (counts.get(host) ?? 0) + 1);
  }
  t.equal(counts.get('c.net'), undefined);
  // A fixed set of ids under a fixed hash: the counts never change from run to run.
  t.ok(Math.abs((counts.get('a.net') ?? 0) - 1000) < 100, String(counts.get('a.net')));
  t.equal(allocateHashed('dev', []), undefined);
});

t.test('every policy of re-provisioning', async (t) => {
  const here = { hub: 'a.net', deviceId: 'd' };
  const there = { hub: 'b.net', deviceId: 'd' };
  const migrate = { updateHubAssignment: true, migrateDeviceData: true };
  const reset = { updateHubAssignment: true, migrateDeviceData: false };
  const never = { updateHubAssignment: false, migrateDeviceData: false };
  for (const policy of [migrate, reset, never]) {
    t.strictSame(decideMove(undefined, here, policy), { to: here, from: undefined, twin: 'initial', substatus: 'initialAssignment' });
    t.match(decideMove(here, here, policy), { to: here, from: undefined, twin: 'kept', substatus: 'reprovisionedToInitialAssignment' });
  }
  t.match(decideMove(here, there, migrate), { to: there, from: here, twin: 'migrated', substatus: 'deviceDataMigrated' });
  t.match(decideMove(here, there, reset), { to: there, from: here, twin: 'initial', substatus: 'deviceDataReset' });
  t.match(decideMove(here, there, never), { to: here, from: undefined, twin: 'kept' });
});

t.test('what a twin may hold', async (t) => {
  const nest = (levels: number): { [key: string]: object } => (levels === 0 ? {} : { a: nest(levels - 1) });
  t.equal(twinProblem({ a: [1, 'x', { b: null }], max: 4_503_599_627_370_496, fraction: 0.25 }, 'desired'), undefined);
  t.equal(twinProblem(nest(10) as never, 'desired'), undefined);
  t.match(twinProblem(nest(11) as never, 'desired'), /deeper than 10/);
  for (const key of ['', 'a b', 'a.b', '$a', 'a\u0007', 'é'.repeat(513)])
    t.match(twinProblem({ x: { [key]: 1 } }, 'reported'), /key/, JSON.stringify(key));
  t.match(twinProblem({ n: 4_503_599_627_370_497 }, 'desired'), /beyond/);
  t.match(twinProblem({ a: 'é'.repeat(2049) }, 'desired'), /4098 bytes/);
  const text = 'x'.repeat(4000);
  t.match(twinProblem({ a: text, b: text, c: text }, 'tags'), /12003 bytes, at most 8192/);
  t.equal(twinProblem({ a: text, b: text, c: text }, 'desired'), undefined);
  t.equal(twinSize({ $version: 9, a: 1, bc: true, d: 'x\ny', e: null, f: [1, 'z'] }), 1 + 8 + 2 + 4 + 1 + 2 + 1 + 1 + 8 + 1);
});
