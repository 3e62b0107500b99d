import t from 'tap';
import { Bench } from './bench.js';

const running = (bench: Bench) => () => bench.states.at(-1) === 'running';
const eastern = { outcome: 'assigned', hub: 'hub-eus.azure-devices.net', deviceId: 'thermo-000001' } as const;

/** A device that runs, for the first time. */
async function runningBench() {
  const bench = new Bench();
  const driver = bench.driver();
  driver.powerOn();
  await bench.until(running(bench));
  bench.states.length = 0;
  return { bench, driver };
}

t.test('reprovision: the hub is left, DPS asked at once, the new hub kept', async (t) => {
  const { bench, driver } = await runningBench();
  const left = bench.session;
  bench.dpsAnswers = [eastern];
  t.equal(await left.call('reprovision'), 202, 'answered before the connection goes');
  await bench.until(running(bench));
  t.ok(left.closed);
  t.strictSame(bench.connections, ['hub-weu.azure-devices.net', 'hub-eus.azure-devices.net']);
  t.strictSame(bench.waits, []);
  t.equal(driver.flash?.memory.assignment('0ne00000A1B')?.hub, 'hub-eus.azure-devices.net');
  await driver.powerOff();
});

t.test('whoever commands it again and again does not get DPS asked without end', async (t) => {
  const { bench, driver } = await runningBench();
  for (let round = 0; round < 40; round++) {
    await bench.session.call('reprovision');
    await bench.untilInTime(running(bench));
  }
  t.equal(bench.registrations, 41);
  t.ok(bench.clock.monotonic() > 2 * 60 * 60_000, 'twelve at once, then twelve an hour');
  await driver.powerOff();
});

t.test('restart: everything begins at the flash, and DPS is not asked', async (t) => {
  const { bench, driver } = await runningBench();
  t.equal(await bench.session.call('restart'), 202);
  await bench.until(running(bench));
  t.strictSame(bench.states.slice(0, 2), ['mounting', 'identifying']);
  t.strictSame(driver.flash?.memory.counters(), { boots: 2, registrations: 1 });
  await driver.powerOff();
});

t.test('factory reset: nothing of what was learned is left in flash', async (t) => {
  const { bench, driver } = await runningBench();
  t.ok(bench.flash.read(0, bench.flash.size).includes('hub-weu'));
  bench.dpsAnswers = [eastern];
  let reset: Buffer | undefined;
  bench.slots = () => {
    reset ??= bench.flash.read(0, bench.flash.size);
    return undefined;
  };
  t.equal(await bench.session.call('factory-reset'), 202);
  await bench.until(() => reset !== undefined && running(bench)());
  t.ok(reset, 'as the next mount finds it');
  t.notOk(reset?.includes('hub-weu'), 'not a byte of it');
  t.notOk(reset?.includes('interval'));
  t.strictSame(driver.flash?.memory.counters(), { boots: 1, registrations: 1 }, 'as if it were new');
  t.equal(driver.assignment?.hub, 'hub-eus.azure-devices.net');
  await driver.powerOff();
});

t.test('change of owner: another ID scope, a new registration, and nothing of the former owner is in force', async (t) => {
  const { bench, driver } = await runningBench();
  for (const payload of [undefined, {}, { idScope: 7 }, { idScope: 'not a scope!' }, { idScope: '0ne00FFFFFF', endpoint: 'a b' }])
    t.equal(await bench.session.call('change-owner', payload), 400);
  t.equal(await bench.session.call('change-owner', { idScope: '0ne00FFFFFF' }), 202);
  await bench.until(running(bench));
  t.strictSame(bench.scopes, ['0ne00000A1B', '0ne00FFFFFF']);
  t.equal(driver.flash?.memory.assignment('0ne00000A1B'), undefined);
  await driver.powerOff();

  t.test('and it stays with the new one', async (t) => {
    const again = bench.driver();
    again.powerOn();
    await bench.until(running(bench));
    t.equal(again.identity?.idScope, '0ne00FFFFFF');
    t.equal(bench.registrations, 2);
    await again.powerOff();
  });
});

t.test('by the program that runs it, a device is told the same', async (t) => {
  const { bench, driver } = await runningBench();
  t.ok(driver.obey({ command: 'reprovision' }));
  await bench.until(running(bench));
  t.equal(bench.registrations, 2);
  await driver.powerOff();
  t.notOk(driver.obey({ command: 'reprovision' }), 'a device without power does nothing');
});

t.test('an operation that does not end when it is told to does not hang the device', async (t) => {
  const bench = new Bench();
  bench.dpsAnswers = ['deaf', eastern];
  const driver = bench.driver();
  driver.powerOn();
  await bench.untilInTime(running(bench));
  t.equal(driver.flash?.memory.counters().boots, 2, 'the watchdog started it over');
  t.ok(bench.clock.monotonic() >= 130_000);
  await driver.powerOff();

  const off = new Bench();
  off.dpsAnswers = ['deaf'];
  const other = off.driver();
  other.powerOn();
  await off.until(() => off.states.at(-1) === 'waiting');
  const ended = other.powerOff();
  await off.untilInTime(() => off.clock.monotonic() >= 10_000);
  await ended;
  t.pass('and can be switched off');
});
