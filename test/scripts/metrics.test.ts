import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { agentMetrics } from '@zerotouch/firmware-sim/agent/metrics';
import { Standing } from '@zerotouch/firmware-sim/agent/standing';
import { FleetWatch } from '@zerotouch/fleet-sim/live/watch';
import { systemClock } from '@zerotouch/foundation/clock';
import { cloudMetrics } from '@zerotouch/scripts/cloud-metrics';
import { fleetMetrics } from '@zerotouch/scripts/fleet-metrics';
import { serveMetrics } from '@zerotouch/scripts/metrics-server';
import t from 'tap';
import { cloudFor, derived, key, keyGroup } from '../cloud-sim/clouds.js';
import { register } from '../cloud-sim/official-clients.js';

const GROUP_KEY = key('line 7');

t.test('a local cloud tells Prometheus who came and who was refused, and no id of a device', async (t) => {
  const cloud = await cloudFor(t);
  const registry = cloudMetrics(cloud);
  await keyGroup(cloud, 'line-7', GROUP_KEY);
  const { assignedHub: hub } = await register(cloud, 'pump-1', { key: derived(GROUP_KEY, 'pump-1') });
  await t.rejects(register(cloud, 'pump-2', { key: GROUP_KEY }));
  await using server = await serveMetrics(registry, 0);
  const text = await (await fetch(server.url)).text();
  t.match(text, `zerotouch_cloud_registrations_total{hub="${hub}"} 1\n`);
  t.match(text, /zerotouch_cloud_refusals_total\{rule="[\w-]+"\} [1-9]/);
  t.match(text, `zerotouch_cloud_devices{hub="${hub}",state="registered"} 1\n`);
  t.notMatch(text, /pump-/);
});

t.test('the dashboard asks for nothing that nobody tells', async (t) => {
  const cloud = await cloudFor(t);
  const watch = new FleetWatch({ name: '', regions: [], now: () => 0 });
  const told = new Map<string, Set<string>>();
  for (const registry of [fleetMetrics(watch), cloudMetrics(cloud)]) {
    for (const metric of registry.getMetricsAsArray() as { name?: string; labelNames?: string[] }[]) {
      told.set(metric.name ?? '', new Set(metric.labelNames));
    }
  }
  const health = new Standing(systemClock).health({ file: '', from: 'file', refused: null }, '');
  const measures = {
    runningMs: 0,
    certificates: [{ certificate: 'burnt' as const, until: 0 }],
    flash: undefined,
    overdueMs: 0,
    watchdogMs: 0,
  };
  for (const { name, samples } of agentMetrics(health, measures)) told.set(name, new Set(Object.keys(samples[0]?.labels ?? {})));
  interface Panel {
    title: string;
    targets?: { expr: string; legendFormat: string }[];
  }
  const { panels } = JSON.parse(
    readFileSync(fileURLToPath(new URL('../../../deploy/grafana-dashboard.json', import.meta.url)), 'utf8'),
  ) as {
    panels: Panel[];
  };
  const asked = new Set<string>();
  for (const { title, targets = [] } of panels) {
    for (const { expr, legendFormat } of targets) {
      const names = expr.match(/zerotouch_\w+/g) ?? [];
      t.ok(names.length > 0, `${title} asks for something`);
      for (const name of names) {
        asked.add(name);
        t.ok(told.has(name), name);
        const labels = [
          ...(/by \((\w+)\)/.exec(expr)?.slice(1) ?? []),
          ...(/\{(\w+)=/.exec(expr)?.slice(1) ?? []),
          ...[...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = '']) => label),
        ];
        for (const label of labels) t.ok(told.get(name)?.has(label), `${name} has ${label}`);
      }
    }
  }
  t.strictSame(
    [...told.keys()].filter((name) => !asked.has(name)),
    [],
    'all that is told is drawn',
  );
});
