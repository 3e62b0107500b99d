import t from 'tap';
import { Bench } from './bench.js';

const running = (bench: Bench) => () => bench.states.at(-1) === 'running';

t.test('a first boot goes the whole way, and keeps what it learned', async (t) => {
  const bench = new Bench();
  const driver = bench.driver();
  driver.powerOn();
  await bench.until(running(bench));
  t.strictSame(
    bench.states,
    [
      'mounting',
      'identifying',
      'timing',
      'recalling',
      'locating',
      'attesting',
      'waiting',
      'committing',
      'connecting',
      'pulling',
      'applying',
      'committing',
      'reporting',
      'running',
    ],
    'states in order',
  );
  t.strictSame(bench.session.reports, [{ config: { desiredVersion: 1, status: 'applied', error: null, rolledBackTo: null } }]);
  t.strictSame(driver.applied, { version: 1, values: { interval: 10 } });
  t.strictSame(driver.flash?.memory.counters(), { boots: 1, registrations: 1 });
  t.strictSame(driver.flash?.memory.config('0ne00000A1B'), { version: 1, values: { interval: 10 } });
  await driver.powerOff();
  t.ok(bench.session.closed, 'the session is closed');
  t.equal(bench.clock.nextIn(), undefined, 'no timer is left');

  t.test('and the second boot does not ask DPS', async (t) => {
    const again = bench.driver();
    again.powerOn();
    await bench.until(running(bench));
    t.equal(bench.registrations, 1);
    t.strictSame(again.flash?.memory.counters(), { boots: 2, registrations: 1 });
    await again.powerOff();
  });
});

t.test('a kept hub that refuses is asked about at DPS, and the new one replaces it in flash', async (t) => {
  const bench = new Bench();
  const first = bench.driver();
  first.powerOn();
  await bench.until(running(bench));
  await first.powerOff();

  bench.hubAnswers = [{ outcome: 'refused', detail: '401003', code: 401003 }, 'session'];
  bench.dpsAnswers = [{ outcome: 'assigned', hub: 'hub-eus.azure-devices.net', deviceId: 'thermo-000001' }];
  const second = bench.driver();
  second.powerOn();
  await bench.until(running(bench));
  t.strictSame(bench.connections.slice(1), ['hub-weu.azure-devices.net', 'hub-eus.azure-devices.net']);
  t.strictSame(second.flash?.memory.assignment('0ne00000A1B'), { hub: 'hub-eus.azure-devices.net', deviceId: 'thermo-000001' });
  t.strictSame(bench.waits, [], 'the first question is asked at once');
  await second.powerOff();
});

t.test('DPS that throttles is obeyed: retry-after, and never earlier', async (t) => {
  const bench = new Bench();
  bench.dpsAnswers = [
    { outcome: 'throttled', detail: '429001', retryAfterMs: 7_000 },
    { outcome: 'unavailable', detail: '500000' },
    { outcome: 'assigned', hub: 'hub-weu.azure-devices.net', deviceId: 'thermo-000001' },
  ];
  const driver = bench.driver();
  driver.powerOn();
  await bench.untilInTime(running(bench));
  t.equal(bench.waits.length, 2);
  t.ok((bench.waits[0] as number) >= 7_000 && (bench.waits[0] as number) <= 8_750, `waited ${bench.waits[0]} ms`);
  t.ok((bench.waits[1] as number) <= 2_000, 'full jitter below the second step');
  await driver.powerOff();
});

t.test('a refused device asks again after a long while, for its enrolment may come later', async (t) => {
  const bench = new Bench();
  bench.dpsAnswers = [
    { outcome: 'refused', detail: '404201', code: 404201 },
    { outcome: 'assigned', hub: 'hub-weu.azure-devices.net', deviceId: 'thermo-000001' },
  ];
  const driver = bench.driver();
  driver.powerOn();
  await bench.untilInTime(running(bench));
  t.ok(bench.states.includes('refused'));
  t.ok((bench.waits[0] as number) >= 5 * 60_000, 'minutes, not seconds');
  await driver.powerOff();
});

t.test('a registration that never answers is ended in time and tried again', async (t) => {
  const bench = new Bench();
  bench.dpsAnswers = ['silence', { outcome: 'assigned', hub: 'hub-weu.azure-devices.net', deviceId: 'thermo-000001' }];
  const driver = bench.driver();
  driver.powerOn();
  await bench.untilInTime(running(bench));
  t.equal(bench.registrations, 2);
  await driver.powerOff();
});

t.test('ambiguous answers count as a refusal only when they persist', async (t) => {
  const bench = new Bench();
  const ambiguous = { outcome: 'ambiguous', detail: 'CONNACK 5 or a drop' } as const;
  bench.hubAnswers = [ambiguous, ambiguous, ambiguous, ambiguous, 'session'];
  const driver = bench.driver();
  driver.powerOn();
  await bench.untilInTime(running(bench));
  t.equal(bench.registrations, 1, 'four are borne');
  await driver.powerOff();

  const persistent = new Bench();
  persistent.hubAnswers = [ambiguous, ambiguous, ambiguous, ambiguous, ambiguous, 'session'];
  const other = persistent.driver();
  other.powerOn();
  await persistent.untilInTime(running(persistent));
  t.equal(persistent.registrations, 2, 'the fifth sends the device back to DPS');
  await other.powerOff();
});

t.test('a hub that fails for half an hour is left for DPS', async (t) => {
  const bench = new Bench();
  bench.hubAnswers = [{ outcome: 'unreachable', detail: 'ECONNREFUSED' }];
  const driver = bench.driver();
  driver.powerOn();
  await bench.untilInTime(() => bench.registrations === 2);
  const minutes = bench.clock.monotonic() / 60_000;
  t.ok(minutes >= 15 && minutes <= 36, `after ${minutes.toFixed(1)} minutes`);
  await driver.powerOff();
});

t.test('a lost connection comes back to the same hub without DPS', async (t) => {
  const bench = new Bench();
  const driver = bench.driver();
  driver.powerOn();
  await bench.until(running(bench));
  const lost = bench.session;
  bench.states.length = 0;
  lost.lose();
  t.equal(bench.states[0], 'backing-off');
  await bench.untilInTime(running(bench));
  t.ok(lost.closed);
  t.equal(bench.registrations, 1);
  t.equal(bench.sessions.length, 2);
  await driver.powerOff();
});

t.test('desired changes are applied, kept and reported with the version they answer', async (t) => {
  const bench = new Bench();
  const driver = bench.driver();
  driver.powerOn();
  await bench.until(running(bench));

  bench.session.push({ $version: 2, interval: 5, mode: 'eco' });
  await bench.untilInTime(() => bench.session.reports.length === 2);
  t.strictSame(driver.applied, { version: 2, values: { interval: 5, mode: 'eco' } });

  await t.test('an older version is not applied again', async (t) => {
    bench.session.push({ $version: 2, interval: 99 });
    await bench.untilInTime(() => driver.machine.config === 'settled');
    t.equal(driver.applied?.values.interval, 5);
  });

  await t.test('a version that skips one makes the device read the whole twin', async (t) => {
    bench.session.desired = { ...bench.session.desired, missed: true };
    bench.session.push({ $version: 4, interval: 6 });
    await bench.untilInTime(() => bench.session.reports.length === 3);
    t.strictSame(driver.applied, { version: 4, values: { interval: 6, mode: 'eco', missed: true } });
  });

  await t.test('changes that come while one is carried out are not lost', async (t) => {
    await bench.untilInTime(() => driver.machine.config === 'settled');
    bench.session.push({ $version: 5, interval: 1 });
    bench.session.push({ $version: 6, interval: 2 });
    bench.session.push({ $version: 7, interval: 3 });
    await bench.untilInTime(() => driver.applied?.version === 7 && driver.machine.config === 'settled');
    t.equal(driver.applied?.values.interval, 3);
    t.match(bench.session.reports.at(-1), { config: { desiredVersion: 7 } });
  });
  await driver.powerOff();
});

t.test('a configuration that cannot be applied is reported so, and the device runs', async (t) => {
  const bench = new Bench();
  bench.applyError = 'interval must be positive';
  const driver = bench.driver();
  driver.powerOn();
  await bench.until(running(bench));
  t.strictSame(bench.session.reports, [
    { config: { desiredVersion: 1, status: 'failed', error: 'interval must be positive', rolledBackTo: null } },
  ]);
  t.equal(driver.flash?.memory.config('0ne00000A1B'), undefined, 'and is not kept');
  await driver.powerOff();
});

t.test('a report that the hub turns down for good, or does not answer, does not stop the device', async (t) => {
  const bench = new Bench();
  const driver = bench.driver();
  driver.powerOn();
  await bench.until(running(bench));
  bench.session.push({ $version: 2, interval: 5 });
  bench.session.failNext = { outcome: 'invalid', detail: '400004' };
  await bench.untilInTime(() => driver.machine.config === 'settled');
  t.strictSame(bench.waits, [], 'rejected: not tried again');

  bench.session.push({ $version: 3, interval: 6 });
  bench.session.failNext = { outcome: 'timed-out', detail: 'no answer' };
  await bench.untilInTime(() => bench.session.reports.length === 2);
  t.equal(bench.waits.length, 1, 'unanswered: tried again after a wait');
  await driver.powerOff();
});

t.test('flash that refuses every write does not keep the device from its hub', async (t) => {
  const bench = new Bench();
  bench.failWrites = true;
  const driver = bench.driver();
  driver.powerOn();
  await bench.until(running(bench));
  t.strictSame(bench.faults, ['counting the boot', 'keeping the assignment', 'keeping the configuration']);
  t.strictSame(driver.flash?.memory.counters(), { boots: 0, registrations: 0 });
  await driver.powerOff();
});

t.test('flash or identity that cannot be used halts the device with the reason', async (t) => {
  const broken = new Bench();
  broken.mountError = new Error('partition table is damaged');
  broken.driver().powerOn();
  t.strictSame([broken.states, broken.faults], [['mounting', 'halted'], ['mounting the flash']]);

  const foreign = new Bench();
  foreign.identityError = new Error('the key does not match the certificate');
  const driver = foreign.driver();
  driver.powerOn();
  t.strictSame(foreign.states, ['mounting', 'identifying', 'halted']);
  foreign.identityError = undefined;
  driver.powerOn();
  await foreign.until(running(foreign));
  t.pass('and a repaired one boots after power on');
  await driver.powerOff();
});

t.test('power off in the middle of a registration ends it', async (t) => {
  const bench = new Bench();
  bench.dpsAnswers = ['silence'];
  const driver = bench.driver();
  driver.powerOn();
  await bench.until(() => bench.states.at(-1) === 'waiting');
  await driver.powerOff();
  t.equal(bench.states.at(-1), 'off');
  t.equal(bench.clock.nextIn(), undefined, 'no timer is left');
});

t.test('an assignment of another ID scope belonged to another owner', async (t) => {
  const bench = new Bench();
  const driver = bench.driver();
  driver.powerOn();
  await bench.until(running(bench));
  t.equal(driver.flash?.memory.assignment('0ne00FFFFFF'), undefined);
  await driver.powerOff();
});

t.test('a hub that lets the device in and drops it at once is left for DPS, after the same patience', async (t) => {
  const bench = new Bench();
  const driver = bench.driver();
  driver.powerOn();
  await bench.until(running(bench));
  for (let sessions = 1; bench.registrations === 1; sessions++) {
    await bench.untilInTime(() => driver.machine.session === 'connected');
    bench.session.lose();
    await bench.untilInTime(() => bench.registrations === 2 || bench.sessions.length === sessions + 1);
  }
  const minutes = bench.clock.monotonic() / 60_000;
  t.ok(minutes >= 15 && minutes <= 36, `after ${minutes.toFixed(1)} minutes`);
  await driver.powerOff();
});

t.test('where to go is asked before each attempt, for a cloud may have moved', async (t) => {
  const bench = new Bench();
  const asked: number[] = [];
  let port = 1;
  const driver = bench.driver({
    endpoint: () => {
      if (port === 3) throw new Error('nobody knows');
      return { dpsHost: 'dps.example', dpsPort: port };
    },
    dps: {
      register: async ({ endpoint }) => {
        asked.push(endpoint.dpsPort);
        port += 1;
        return { outcome: 'unreachable', detail: 'gone' };
      },
    },
  });
  driver.powerOn();
  await bench.untilInTime(() => asked.length === 3);
  t.strictSame(asked, [1, 2, 2], 'the third time nobody knew: the last answer holds');
  await driver.powerOff();
});

t.test('a device made anew in its hub starts its versions again', async (t) => {
  const bench = new Bench();
  const driver = bench.driver();
  driver.powerOn();
  await bench.until(running(bench));
  bench.session.push({ $version: 9, interval: 5 });
  await bench.untilInTime(() => driver.applied?.version === 9 && driver.machine.config === 'settled');
  bench.session.lose();
  await bench.untilInTime(() => bench.sessions.length === 2 && driver.machine.config === 'settled');
  t.equal(driver.applied?.version, 1, 'the new twin, though its version is lower');
  bench.session.push({ $version: 2, interval: 7 });
  await bench.untilInTime(() => driver.applied?.version === 2);
  t.equal(driver.applied?.values.interval, 7);
  await driver.powerOff();
});

t.test('an error of any length can be reported', async (t) => {
  const bench = new Bench();
  bench.applyError = 'x'.repeat(10_000);
  const driver = bench.driver();
  driver.powerOn();
  await bench.until(running(bench));
  t.match(bench.session.reports, [{ config: { status: 'failed', error: /^x{500}$/ } }]);
  await driver.powerOff();
});
