import { once } from 'node:events';
import { join } from 'node:path';
import type { JsonObject } from '@zerotouch/azure-wire/twin';
import { PredictiveMaintenance } from '@zerotouch/scripts/examples/solutions/predictive-maintenance';
import { RemoteMonitoring } from '@zerotouch/scripts/examples/solutions/remote-monitoring';
import { startSolutions } from '@zerotouch/scripts/examples/solutions/solutions';
import t from 'tap';
import { cloudFor } from '../../cloud-sim/clouds.js';

const MODEL = { version: 'v1', mean: 1, deviation: 0.25, weight: 0.5, watchAt: 2, dueAt: 4 };

t.test('an alarm begins above the one threshold, and ends below the other', (t) => {
  let celsius = 20;
  const workload = new RemoteMonitoring(() => celsius);
  workload.configure({ telemetryIntervalSeconds: 2, thresholds: { celsiusHigh: 80, celsiusLow: 70 }, other: 1 });
  t.equal(workload.intervalSeconds, 2);
  t.match(workload.turn(), { message: { celsius: 20, alarm: false }, reported: { monitoring: { alarm: false } } });
  t.equal(workload.turn().reported, undefined, 'reported once');
  for (const [value, alarm] of [
    [80, false],
    [80.1, true],
    [75, true],
    [69.9, false],
    [75, false],
  ] as const) {
    celsius = value;
    t.equal(workload.turn().message.alarm, alarm, `at ${value}`);
  }
  t.strictSame(workload.methods.setThreshold({ celsiusHigh: 74 }), { thresholds: { celsiusHigh: 74, celsiusLow: 70 } });
  t.match(workload.turn(), { message: { alarm: true }, reported: { monitoring: { thresholds: { celsiusHigh: 74 } } } });
  t.match(workload.methods.readNow(), { celsius: 75, alarm: true });
  t.throws(() => workload.methods.setThreshold({ celsiusHigh: 60 }), { message: 'thresholds: celsiusLow is not below celsiusHigh' });
  t.throws(() => workload.configure({ telemetryIntervalSeconds: 0 }), { message: /^telemetryIntervalSeconds: / });
  t.equal(workload.intervalSeconds, 2, 'nothing of a bad configuration is taken');
  t.end();
});

t.test('maintenance is due when the vibration has moved away, by the model that was sent', (t) => {
  let vibration = 1;
  const workload = new PredictiveMaintenance(() => vibration);
  workload.configure({ telemetryIntervalSeconds: 2, model: MODEL });
  t.match(workload.turn(), { message: { vibration: 1, score: 0 }, reported: { maintenance: { state: 'good', model: 'v1' } } });
  vibration = 2.25;
  const states = Array.from({ length: 4 }, () => workload.turn().reported?.maintenance as JsonObject | undefined);
  t.match(states, [{ state: 'watch', score: 2.5 }, undefined, { state: 'due', score: 4.375 }, undefined]);
  t.match(workload.methods.runDiagnostic(), { readings: 16, mean: 2.25, spread: 0, state: 'due' });
  workload.configure({ model: { ...MODEL, version: 'v2', mean: 2.25 } });
  for (let turns = 0; turns < 4; turns++) workload.turn();
  t.match(workload.methods.runDiagnostic(), { state: 'good' }, 'a better model knows this machine');
  t.strictSame(workload.methods.maintenanceDone(), { state: 'good' });
  t.throws(() => workload.configure({ model: { ...MODEL, watchAt: 5 } }), { message: 'model: watchAt is not below dueAt' });
  t.end();
});

t.test('both begin once their devices are configured, and are driven by twin and method', async (t) => {
  const cloud = await cloudFor(t);
  /** Resolves once a device reports what is looked for, from now on. */
  const reported = (id: string, found: (patch: JsonObject) => boolean): Promise<void> =>
    new Promise((resolve) => {
      const hear = ({ deviceId, patch }: { deviceId: string; patch: JsonObject }): void => {
        if (deviceId !== id || !found(patch)) return;
        cloud.events.off('reported', hear);
        resolve();
      };
      cloud.events.on('reported', hear);
    });
  let celsius = 20;
  const solutions = await startSolutions({ cloud, out: join(t.testdir(), 'out'), sensors: { celsius: () => celsius, vibration: () => 1 } });
  t.teardown(() => solutions.stop());
  const { boiler, pump } = solutions;
  const at = ({ device }: typeof boiler) => cloud.hub(device.hub as string);

  celsius = 90;
  const rang = reported('boiler-000001', ({ monitoring }) => (monitoring as JsonObject | undefined)?.alarm === true);
  await at(boiler).updateDesired('boiler-000001', { telemetryIntervalSeconds: 0.05 });
  await rang;
  const failed = reported('boiler-000001', ({ config }) => (config as JsonObject | undefined)?.status === 'failed');
  await at(boiler).updateDesired('boiler-000001', { thresholds: { celsiusHigh: 1 } });
  await failed;
  t.match((await at(boiler).twin('boiler-000001')).properties.reported, {
    config: { error: 'thresholds: celsiusLow is not below celsiusHigh', rolledBackTo: 2 },
  });
  const set = await at(boiler).invokeMethod('boiler-000001', { name: 'setThreshold', payload: { celsiusHigh: 95 } });
  t.strictSame(set, { status: 200, payload: { thresholds: { celsiusHigh: 95, celsiusLow: 70 } } });
  const refused = await at(boiler).invokeMethod('boiler-000001', { name: 'setThreshold', payload: {} });
  t.match(refused, { status: 500, payload: { error: /^celsiusHigh: / } });

  t.match(await at(pump).invokeMethod('pump-000002', { name: 'runDiagnostic' }), { status: 200, payload: { mean: 1, state: 'good' } });
  const due = reported('pump-000002', ({ maintenance }) => (maintenance as JsonObject | undefined)?.state === 'due');
  await at(pump).updateDesired('pump-000002', { telemetryIntervalSeconds: 0.05, model: { version: 'v2', mean: 5 } });
  await due;

  const runs = once(pump.device, 'running');
  t.match(await at(pump).invokeMethod('pump-000002', { name: 'restart' }), { status: 202, payload: { accepted: 'restart' } });
  await runs;
  t.match(pump.device.counters, { boots: 2, registrations: 1 });
  t.match(
    await at(pump).invokeMethod('pump-000002', { name: 'runDiagnostic', connectTimeoutMs: 5000 }),
    { status: 200 },
    'the methods are there again after a restart',
  );
});
