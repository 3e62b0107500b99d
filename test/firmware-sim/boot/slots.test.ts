import { encodeApp } from '@zerotouch/flash-image/app-image';
import { AppSlots } from '@zerotouch/flash-image/app-slots';
import type { Layout } from '@zerotouch/flash-image/layout';
import { slottedLayout } from '@zerotouch/flash-image/layout';
import { memoryStorage } from '@zerotouch/flash-image/storage';
import t from 'tap';
import { Bench } from './bench.js';

const HEALTH_MS = 60_000;
const TRIAL_MS = 30 * 60_000;
const OTA_DATA = 0;
const application = (version: number) => encodeApp([{ address: 0, bytes: Buffer.alloc(16, version) }]);

/** Slots as small as they can be, in a flash of their own. */
const layout: Layout = {
  ...slottedLayout,
  partitions: slottedLayout.partitions
    .filter(({ name }) => name.startsWith('ota'))
    .map((partition) => ({ ...partition, size: partition.name === 'otadata' ? 0x2000 : 0x1000 }))
    .map((partition, index) => ({ ...partition, offset: index === 0 ? OTA_DATA : 0x1000 + index * 0x1000 })),
};

/** A device whose first slot holds the application that the factory gave it. */
class SlotBench extends Bench {
  readonly slotFlash = memoryStorage(Buffer.alloc(0x4000, 0xff));

  constructor() {
    super();
    this.slotFlash.write(0x2000, application(1));
    this.slots = () => AppSlots.boot(this.slotFlash, layout);
  }
}

const running = (bench: Bench) => () => bench.states.at(-1) === 'running';

async function updated(bench: SlotBench, options: Parameters<Bench['driver']>[0] = {}) {
  const driver = bench.driver(options);
  driver.powerOn();
  await bench.until(running(bench));
  t.strictSame(driver.flash?.slots?.running, { name: 'ota_0', onTrial: false });
  t.ok(driver.update(application(2)));
  await bench.until(() => bench.slotStates.at(-1) === 'trying');
  t.strictSame(driver.flash?.slots?.running, { name: 'ota_1', onTrial: true });
  t.notOk(driver.update(application(3)), 'one at a time');
  await bench.until(running(bench));
  return driver;
}

t.test('a new application runs for a minute, and stays', async (t) => {
  const bench = new SlotBench();
  const driver = await updated(bench);
  const began = bench.clock.monotonic();
  await bench.untilInTime(() => bench.slotStates.at(-1) === 'settled');
  t.ok(bench.clock.monotonic() - began >= HEALTH_MS);
  t.strictSame(bench.slotStates, ['settled', 'writing', 'switching', 'idle', 'trying', 'checking', 'committing', 'settled']);
  t.equal(bench.registrations, 1, 'DPS is not asked');
  await driver.powerOff();
  t.strictSame(AppSlots.boot(bench.slotFlash, layout)?.running, { name: 'ota_1', onTrial: false });
});

t.test('one whose own check fails is given up, and the one before runs', async (t) => {
  const bench = new SlotBench();
  const driver = await updated(bench, {
    application: {
      check: async () => {
        throw new Error('the sensor does not answer');
      },
    },
  });
  await bench.untilInTime(() => driver.flash?.slots?.running?.name === 'ota_0' && running(bench)());
  t.strictSame(bench.faults, ['checking the new application']);
  t.strictSame(bench.slotStates.slice(-4), ['checking', 'rolling-back', 'idle', 'settled']);
  await driver.powerOff();
});

t.test('one that never gets to its hub is given up after half an hour', async (t) => {
  const bench = new SlotBench();
  const first = bench.driver();
  first.powerOn();
  await bench.until(running(bench));
  bench.hubAnswers = [{ outcome: 'unreachable', detail: 'ENOTFOUND' }];
  first.update(application(2));
  await bench.until(() => bench.slotStates.at(-1) === 'trying');
  const began = bench.clock.monotonic();
  await bench.untilInTime(() => bench.slotStates.at(-1) === 'settled');
  t.equal(bench.clock.monotonic() - began, TRIAL_MS);
  t.strictSame(first.flash?.slots?.running, { name: 'ota_0', onTrial: false });
  bench.hubAnswers = ['session'];
  await bench.untilInTime(running(bench));
  await first.powerOff();
});

t.test('one that crashes, hangs or loses power before it has proved itself is gone at the next start', async (t) => {
  const bench = new SlotBench();
  await updated(bench);
  const next = bench.driver();
  next.powerOn();
  await bench.until(running(bench));
  t.strictSame(next.flash?.slots?.running, { name: 'ota_0', onTrial: false });
  await next.powerOff();

  const hung = new SlotBench();
  const driver = await updated(hung, { application: { check: () => new Promise(() => {}) } });
  await hung.untilInTime(() => driver.flash?.slots?.running?.name === 'ota_0' && running(hung)());
  t.pass('the watchdog started it over');
  await driver.powerOff();
});

t.test('what is no application changes nothing', async (t) => {
  const bench = new SlotBench();
  const driver = bench.driver();
  driver.powerOn();
  await bench.until(running(bench));
  t.ok(driver.update(Buffer.from('an application that somebody cut short')));
  t.strictSame(bench.slotStates, ['settled', 'writing', 'settled']);
  t.strictSame(bench.faults, ['writing the new application']);
  t.equal(bench.states.at(-1), 'running', 'and the device goes on');
  await driver.powerOff();
  t.notOk(new Bench().driver().update(application(2)), 'a device without slots takes none');
});

t.test('a slot whose mark the flash does not take keeps running, and is told', async (t) => {
  const bench = new SlotBench();
  const driver = await updated(bench);
  const slots = driver.flash?.slots as AppSlots;
  slots.commit = () => {
    throw new Error('the flash refuses');
  };
  await bench.untilInTime(() => bench.slotStates.at(-1) === 'settled');
  t.strictSame(bench.faults, ['keeping the new application']);
  t.equal(bench.states.at(-1), 'running');
  await driver.powerOff();
  t.strictSame(AppSlots.boot(bench.slotFlash, layout)?.running, { name: 'ota_0', onTrial: false });
});
