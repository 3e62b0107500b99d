import { EXPOSITION_TYPE, exposition, type Metric } from '@zerotouch/firmware-sim/agent/exposition';
import { agentMetrics } from '@zerotouch/firmware-sim/agent/metrics';
import { Standing } from '@zerotouch/firmware-sim/agent/standing';
import { systemClock } from '@zerotouch/foundation/clock';
import fc from 'fast-check';
import { Counter, Gauge, Registry } from 'prom-client';
import t from 'tap';

/** What prom-client, which we did not write, makes of the same metrics. */
async function byPromClient(metrics: readonly Metric[]): Promise<string> {
  const registry = new Registry();
  for (const { name, help, type, samples } of metrics) {
    const labelNames = [...new Set(samples.flatMap(({ labels = {} }) => Object.keys(labels)))];
    if (type === 'gauge') {
      const gauge = new Gauge({ name, help, labelNames, registers: [registry] });
      // Without labels it begins with a sample of its own.
      gauge.reset();
      if (samples.length === 0) gauge.remove();
      for (const { labels = {}, value } of samples) gauge.set(labels, value);
    } else {
      const counter = new Counter({ name, help, labelNames, registers: [registry] });
      for (const { labels = {}, value } of samples) counter.inc(labels, value);
    }
  }
  return registry.metrics();
}

const text = fc.string({ unit: fc.constantFrom('a', 'Z', ' ', '"', '\\', '\n', '{', '}', ',', '=', 'é', '\u{1F600}'), maxLength: 8 });
const name = fc.stringMatching(/^[a-z][a-z_]{0,8}$/);
const metric: fc.Arbitrary<Metric> = name.chain((label) =>
  fc.record({
    name,
    help: fc.tuple(fc.constant('h'), text).map((parts) => parts.join('')),
    type: fc.constant('gauge' as const),
    samples: fc.uniqueArray(fc.record({ value: fc.double({ noNaN: true }), labels: text.map((value) => ({ [label]: value })) }), {
      selector: ({ labels }) => labels[label],
      minLength: 1,
      maxLength: 4,
    }),
  }),
);

t.test('the exposition is what prom-client writes', async (t) => {
  t.equal(EXPOSITION_TYPE, new Registry().contentType);
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(metric, { selector: (each) => each.name, minLength: 1, maxLength: 4 }), async (metrics) => {
      const plus = metrics.map((each) => ({ ...each, samples: each.samples.map((sample) => ({ ...sample, value: sample.value + 0 })) }));
      return exposition(plus) === (await byPromClient(plus));
    }),
  );
});

t.test('an agent tells how its device is, in names and units as Prometheus wants them', async (t) => {
  const standing = new Standing(systemClock);
  const warning = { code: 'SERVER_ROOT_RETIRES', where: 'CN=old', reason: 'it retires', remedy: 'wait' } as const;
  const health = standing.health({ file: 'device.yaml', from: 'file', refused: null }, '1.2.3');
  const metrics = agentMetrics(
    {
      ...health,
      registrationId: 'pi-1',
      deviceId: 'pi-1',
      hub: 'hub.example',
      bootMs: 1500,
      warnings: [warning],
      image: { boots: 7, registrations: 2 },
    },
    {
      runningMs: 0,
      certificates: [{ certificate: 'burnt', until: 1_800_000_000_000 }],
      flash: { erasures: 3, badSectors: 1 },
      overdueMs: 0,
      watchdogMs: 60_000,
    },
  );
  const told = exposition(metrics);
  for (const line of [
    'zerotouch_agent_state{state="off"} 1',
    'zerotouch_agent_running{hub="hub.example"} 0',
    'zerotouch_agent_boot_seconds 1.5',
    'zerotouch_agent_boots_total 7',
    'zerotouch_agent_registrations_total 2',
    'zerotouch_agent_failures_total{kind="throttled"} 0',
    'zerotouch_agent_warnings{code="SERVER_ROOT_RETIRES"} 1',
    'zerotouch_agent_warnings{code="SERVER_ROOTS_RETIRE"} 0',
    'zerotouch_agent_certificate_expiry_timestamp_seconds{certificate="burnt"} 1800000000',
    'zerotouch_agent_flash_erasures_total 3',
    'zerotouch_agent_flash_bad_sectors 1',
    'zerotouch_agent_watchdog_seconds 60',
  ]) {
    t.ok(told.split('\n').includes(line), line);
  }
  t.notMatch(told, /pi-1/, 'no id of a device');
  t.notMatch(told, /config_version \d/, 'what is not known has no value');
  for (const each of metrics) t.equal(each.name.endsWith('_total'), each.type === 'counter', each.name);
});
