import t from 'tap';
import { Bench } from './bench.js';

const at = (bench: Bench, state: string) => () => bench.states.at(-1) === state;
const refused = { outcome: 'refused', detail: '401002', code: 401002 } as const;
const HOUR = 60 * 60_000;

/** A boot that ends by a crash as soon as the device is running: nobody switches it off. */
async function crash(bench: Bench): Promise<void> {
  const driver = bench.driver();
  driver.powerOn();
  await bench.until(at(bench, 'running'));
}

t.test('a configuration that fails is rolled back to the last good one', async (t) => {
  const bench = new Bench();
  const driver = bench.driver();
  driver.powerOn();
  await bench.until(at(bench, 'running'));
  bench.applyError = ({ interval }) => (Number(interval) > 0 ? undefined : 'interval must be positive');
  bench.session.push({ $version: 2, interval: -5 });
  await bench.untilInTime(() => bench.session.reports.length === 2);
  t.strictSame(bench.applications, [{ interval: 10 }, { interval: -5 }, { interval: 10 }]);
  t.strictSame(bench.session.reports[1], {
    config: { desiredVersion: 2, status: 'failed', error: 'interval must be positive', rolledBackTo: 1 },
  });
  t.strictSame(driver.applied, { version: 1, values: { interval: 10 } });
  t.strictSame(driver.flash?.memory.config('0ne00000A1B'), { version: 1, values: { interval: 10 } });
  await driver.powerOff();
});

t.test('five boots in a row that end badly: the sixth is safe, applies nothing and says so', async (t) => {
  const bench = new Bench();
  for (let boot = 1; boot <= 5; boot++) await crash(bench);
  t.equal(bench.applications.length, 5);
  const driver = bench.driver();
  driver.powerOn();
  await bench.until(at(bench, 'safe'));
  await bench.untilInTime(() => driver.machine.config === 'holding');
  t.equal(bench.applications.length, 5, 'nothing is applied');
  t.match(bench.session.reports, [{ config: { status: 'safe-mode', error: /^5 boots in a row/ } }]);
  t.equal(bench.registrations, 1, 'on the hub it knew');

  await t.test('a lost hub is found again, in safe mode', async (t) => {
    bench.session.lose();
    await bench.untilInTime(() => bench.sessions.length === 7 && driver.machine.config === 'holding');
    t.equal(driver.machine.power, 'safe');
  });

  await t.test('another configuration is the way out', async (t) => {
    bench.session.push({ $version: 2, interval: 7 });
    await bench.until(at(bench, 'running'));
    t.strictSame(bench.applications.at(-1), { interval: 7 });
    t.equal(driver.flash?.memory.failedBoots(), 0);
  });
  await driver.powerOff();
});

t.test('a device left alone in safe mode tries by itself after an hour', async (t) => {
  const bench = new Bench();
  for (let boot = 1; boot <= 5; boot++) await crash(bench);
  const driver = bench.driver();
  driver.powerOn();
  await bench.until(at(bench, 'safe'));
  await bench.untilInTime(at(bench, 'running'));
  t.ok(bench.clock.monotonic() >= HOUR);
  await driver.powerOff();
});

t.test('boots that end well do not add up: switched off, or healthy for a minute', async (t) => {
  const bench = new Bench();
  for (let boot = 1; boot <= 10; boot++) {
    const driver = bench.driver();
    driver.powerOn();
    await bench.until(at(bench, 'running'));
    if (boot % 2 === 0) await driver.powerOff();
    else await bench.untilInTime(() => driver.flash?.memory.failedBoots() === 0 && bench.clock.nextIn() === undefined);
  }
  t.notOk(bench.states.includes('safe'));
});

t.test('what DPS said outlives a reboot', async (t) => {
  const bench = new Bench();
  bench.dpsAnswers = [refused];
  const first = bench.driver();
  first.powerOn();
  await bench.until(at(bench, 'refused'));
  const told = bench.waits.at(-1) as number;
  await first.powerOff();

  const driver = bench.driver();
  driver.powerOn();
  await bench.until(at(bench, 'backing-off'));
  t.equal(bench.registrations, 1, 'it is not asked again at once');
  t.ok(Math.abs((bench.waits.at(-1) as number) - told) < 1000);
  bench.dpsAnswers = [{ outcome: 'assigned', hub: 'hub-weu.azure-devices.net', deviceId: 'thermo-000001' }];
  await bench.untilInTime(at(bench, 'running'));
  t.equal(driver.flash?.memory.coolDown(), undefined, 'and forgotten when a hub is found');
  await driver.powerOff();
});

t.test('without a clock a rebooted device waits by how often it was told no', async (t) => {
  const bench = new Bench();
  bench.dpsAnswers = [refused];
  const clockless = { time: { set: async () => 'clock-unset' as const } };
  const first = bench.driver(clockless);
  first.powerOn();
  await bench.until(at(bench, 'refused'));
  await first.powerOff();
  bench.clock.set(0);
  const driver = bench.driver(clockless);
  driver.powerOn();
  await bench.until(at(bench, 'backing-off'));
  t.ok((bench.waits.at(-1) as number) >= 200);
  await driver.powerOff();
});

t.test('a day of refusals, with the worst of dice, is a few hundred calls and a few hundred writes', async (t) => {
  const bench = new Bench();
  bench.dpsAnswers = [{ outcome: 'unreachable', detail: 'ENOTFOUND' }];
  const driver = bench.driver({ entropy: { unit: () => 0, bytes: (count) => Buffer.alloc(count) } });
  driver.powerOn();
  await bench.untilInTime(() => bench.clock.monotonic() >= 24 * HOUR);
  t.ok(bench.registrations <= 12 + 24 * 12, `${bench.registrations} calls`);
  t.ok(bench.registrations >= 24 * 12, 'and it never gives up');
  await driver.powerOff();
});
