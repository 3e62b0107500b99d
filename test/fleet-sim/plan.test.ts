import { layOut } from '@zerotouch/fleet-sim/capacity';
import { emptyHistogram, emptyTally, encodeHistogram, mergeTallies, percentiles, wholeHistogram } from '@zerotouch/fleet-sim/metrics';
import { planDevices } from '@zerotouch/fleet-sim/plan';
import { powerSwitches, spread } from '@zerotouch/fleet-sim/power-on';
import { parseFleetSpec } from '@zerotouch/fleet-sim/spec';
import { seededEntropy } from '@zerotouch/foundation/entropy';
import fc from 'fast-check';
import t from 'tap';

const machine = { descriptors: 1_000, ports: 28_232, hasLoopbackRange: true };
const europe = { name: 'westeurope', share: 1, utcOffsetHours: 1 };
const america = { name: 'eastus', share: 1, utcOffsetHours: -5 };

t.test('a fleet is laid over the processes that its descriptors need', async (t) => {
  const here = { devices: 2_000, host: 'localhost', cores: 2, wanted: undefined };
  t.match(layOut(here, machine), { processes: 3, sources: [[], [], []] });
  t.throws(() => layOut({ ...here, wanted: 2 }, machine), { code: 'TOO_FEW_DESCRIPTORS', message: /--workers 3/ });
});

t.test('more devices than an address has ports come from addresses of their own', async (t) => {
  const here = { devices: 30_000, host: '127.0.0.1', cores: 2, wanted: 2 };
  const { sources } = layOut(here, { ...machine, descriptors: 20_000 });
  const all = sources.flat();
  t.equal(new Set(all).size, all.length, 'no two processes share one');
  t.ok(all.length * 28_232 > 2 * 30_000);
  t.throws(() => layOut({ ...here, host: 'dps.example' }, { ...machine, descriptors: 20_000 }), { code: 'TOO_FEW_PORTS' });
});

t.test('devices are switched on as the profile says', async (t) => {
  const ten = Array.from({ length: 10 }, () => undefined);
  const half = (): number => 0.5;
  t.strictSame(
    powerSwitches({ profile: 'at-once' }, ten, half).flat(),
    ten.map(() => 0),
  );
  t.strictSame(powerSwitches({ profile: 'staggered', perSecond: 10 }, ten, half)[9], [950]);
  t.equal(powerSwitches({ profile: 'ramp', overSeconds: 60 }, ten, half)[9]?.[0], 60_000);
  const outage = powerSwitches({ profile: 'outage', region: 'eastus', afterSeconds: 5, lastsSeconds: 7 }, [europe, america], half);
  t.strictSame(outage, [[0], [0, 5_000, 12_000]]);
  const [west, east] = powerSwitches({ profile: 'business-hours', opens: 8, closes: 18, dayLastsSeconds: 240 }, [europe, america], half);
  t.equal(Math.round(((east?.[0] ?? 0) - (west?.[0] ?? 0)) / 10_000), 6, 'six hours later in a day of 240 s');
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), fc.double({ min: 0.5, max: 100, noNaN: true }), (count, perSecond) => {
      const all = powerSwitches({ profile: 'poisson', perSecond }, Array.from({ length: count }), Math.random).flat();
      return all.every((at, index) => at >= (all[index - 1] ?? 0));
    }),
  );
});

t.test('images that are burnt as it goes are burnt in the order in which their devices are due', async (t) => {
  const regions = 'regions: [{ name: westeurope, utcOffsetHours: 1 }, { name: eastus, utcOffsetHours: -5 }]';
  const text = `version: 1\nburn: { spec: b.yaml, out: out }\npowerOn: { profile: business-hours }\n${regions}`;
  const images = Array.from({ length: 40 }, (_, index) => `/out/images/pump-${index}.bin`);
  const planned = planDevices(parseFleetSpec(text, '/fleet.yaml'), images, seededEntropy('plan'));
  const due = [...planned].sort((a, b) => (a.switches[0] ?? 0) - (b.switches[0] ?? 0));
  t.strictSame(
    due.map(({ image }) => image),
    images,
  );
  t.strictSame(
    due.slice(0, 5).map(({ region }) => region),
    Array(5).fill('westeurope'),
    'where the day begins first',
  );
});

t.test('choices are spread in proportion to their shares', async (t) => {
  const given = spread([{ share: 3 }, { share: 1 }], 4_000);
  t.ok(Math.abs(given.filter(({ share }) => share === 3).length - 3_000) < 20);
});

t.test('tallies merge without loss, however they were cut', async () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.integer({ min: 1, max: 3_600_000 }), { minLength: 1, maxLength: 30 }), { minLength: 1, maxLength: 5 }),
      (parts) => {
        const whole = emptyHistogram();
        const tallies = parts.map((values) => {
          const own = emptyHistogram();
          for (const value of values) {
            own.recordValue(value);
            whole.recordValue(value);
          }
          return {
            ...emptyTally(values.length),
            bootMs: { x509: encodeHistogram(own) },
            seconds: { 3: { online: 1, boots: 1, retries: 0, throttled: 0, failures: 0 } },
          };
        });
        const merged = mergeTallies(tallies);
        const same = JSON.stringify(percentiles(wholeHistogram(merged))) === JSON.stringify(percentiles(whole));
        return same && merged.devices === whole.totalCount && merged.seconds[3]?.boots === parts.length;
      },
    ),
  );
});

t.test('a spec that is wrong is refused by its field', async (t) => {
  const wrong =
    (text: string): (() => unknown) =>
    () =>
      parseFleetSpec(text, 'fleet.yaml');
  t.throws(wrong('version: 1'), { code: 'FLEET_SPEC', message: /fleet\.yaml:1:1 images/ });
  t.throws(wrong('version: 1\nimages: a\nspeed: 3'), { code: 'FLEET_SPEC', message: /fleet\.yaml:3:8 speed/ });
  t.throws(wrong('version: 1\nimages: a\npowerOn: { profile: ramp }'), { code: 'FLEET_SPEC', message: /powerOn\.overSeconds/ });
  t.throws(wrong('version: 1\nimages: a\npowerOn: { profile: outage, region: mars, afterSeconds: 1, lastsSeconds: 1 }'), {
    message: /mars/,
  });
  t.throws(wrong('version: 1\nimages: a\nclients: [{ client: lean, transport: amqp }]'), { message: /clients\.0\.transport/ });
  t.throws(wrong('version: [1'), { code: 'FLEET_SPEC', message: /fleet\.yaml:1:/ });
  t.throws(wrong('version: 1\nimages: *nowhere'), { code: 'FLEET_SPEC', message: /fleet\.yaml: .*nowhere/ });
  t.equal(parseFleetSpec('{"version":1,"images":"batch"}', '/a/fleet.json').images, '/a/batch');
});
