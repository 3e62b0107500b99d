import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { FleetReport } from './report.js';

/** A plot: one x, some lines or bars. `null`: no value there. */
interface Plot {
  readonly title: string;
  readonly x: string;
  readonly bars: boolean;
  readonly data: readonly (readonly (number | null)[])[];
  readonly names: readonly string[];
}

const COLOURS = ['#2563eb', '#d97706', '#059669', '#dc2626', '#7c3aed', '#0891b2', '#be185d', '#4d7c0f'];

/** The report of one run, or of several side by side, as one HTML page that needs nothing else. */
export function reportPage(reports: readonly FleetReport[]): string {
  const titles = reports.map(({ name, at }) => `${name}, ${at}`);
  const load = createRequire(import.meta.url);
  const style = readFileSync(load.resolve('uplot/dist/uPlot.min.css'), 'utf8');
  const script = readFileSync(load.resolve('uplot/dist/uPlot.iife.min.js'), 'utf8');
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escaped(titles.join(' | '))}</title>
<style>${style}
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:1200px;padding:0 1rem;color:#1f2937}
table{border-collapse:collapse;margin:.5rem 0 2rem}th,td{text-align:left;padding:.25rem .9rem .25rem 0;border-bottom:1px solid #e5e7eb;vertical-align:top}
td.n{text-align:right;font-variant-numeric:tabular-nums}.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(520px,1fr));gap:1.5rem}
</style></head><body>
<h1>${escaped(reports.length === 1 ? (titles[0] ?? '') : 'Fleets compared')}</h1>
${figures(reports, titles)}
<div class="plots" id="plots"></div>
<h2>Hubs</h2>${hubs(reports, titles)}
<h2>Devices with a bad day, by scenario</h2>${scenarios(reports, titles)}
<h2>Failures by reason</h2>${reasons(reports, titles)}
<script>${script}</script>
<script>
const plots = ${json(plotsOf(reports))};
for (const { title, x, bars, data, names } of plots) {
  const place = document.createElement('section');
  document.getElementById('plots').append(place);
  const series = names.map((label, index) => {
    const stroke = ${json(COLOURS)}[index % ${COLOURS.length}];
    return { label, stroke, width: 1.5, points: { show: false }, ...(bars ? { fill: stroke + '55', paths: uPlot.paths.bars({ size: [0.9] }) } : {}) };
  });
  new uPlot({ title, width: 560, height: 280, scales: { x: { time: false } }, axes: [{ label: x }, {}], series: [{ label: x }, ...series] }, data, place);
}
</script></body></html>
`;
}

function plotsOf(reports: readonly FleetReport[]): Plot[] {
  const tag = (index: number): string => (reports.length === 1 ? '' : ` ${String.fromCharCode(65 + index)}`);
  const longest = Math.max(1, ...reports.map(({ seconds }) => seconds.length));
  const time = Array.from({ length: longest }, (_, at) => at);
  const line = (title: string, keys: readonly ('online' | 'boots' | 'retries' | 'throttled' | 'failures')[]): Plot => ({
    title,
    x: 'seconds',
    bars: false,
    names: reports.flatMap((_, index) => keys.map((key) => `${key}${tag(index)}`)),
    data: [time, ...reports.flatMap(({ seconds }) => keys.map((key) => time.map((at) => seconds[at]?.[key] ?? null)))],
  });
  const histograms = reports.flatMap(({ bootMs }, index) =>
    Object.entries(bootMs).map(([kind, { buckets }]) => ({ name: `${kind}${tag(index)}`, buckets: new Map(buckets) })),
  );
  const edges = [...new Set(histograms.flatMap(({ buckets }) => [...buckets.keys()]))].sort((a, b) => a - b);
  return [
    line('Devices online', ['online']),
    line('Boots a second', ['boots']),
    line('Retries, throttled and failures a second', ['retries', 'throttled', 'failures']),
    {
      title: 'Devices by boot time, attestation and client',
      x: 'milliseconds',
      bars: true,
      names: histograms.map(({ name }) => name),
      data: [edges, ...histograms.map(({ buckets }) => edges.map((edge) => buckets.get(edge) ?? null))],
    },
  ];
}

function figures(reports: readonly FleetReport[], titles: readonly string[]): string {
  const rows: readonly (readonly [string, (report: FleetReport) => unknown])[] = [
    ['devices', ({ figures: { devices } }) => devices],
    ['running', ({ figures: { running } }) => running],
    ['failed', ({ figures: { failed } }) => failed],
    ['boot ms, median', ({ figures: { bootMs } }) => bootMs.p50],
    ['boot ms, 95 in 100', ({ figures: { bootMs } }) => bootMs.p95],
    ['boot ms, 99 in 100', ({ figures: { bootMs } }) => bootMs.p99],
    ['retries', ({ figures: { retries } }) => retries],
    ['throttled', ({ figures: { throttled } }) => throttled],
    ['seconds', ({ figures: { seconds } }) => seconds],
    ['CPU-ms a boot, devices', ({ figures: { cpuMsPerBoot } }) => cpuMsPerBoot],
    ['KB a device, devices', ({ figures: { kbPerDevice } }) => kbPerDevice],
  ];
  const head =
    reports.length === 1
      ? ''
      : `<tr><th></th>${titles.map((title, index) => `<th>${String.fromCharCode(65 + index)}: ${escaped(title)}</th>`).join('')}</tr>`;
  return `<table>${head}${rows.map(([name, of]) => `<tr><th>${name}</th>${reports.map((report) => `<td class="n">${escaped(String(of(report) ?? '-'))}</td>`).join('')}</tr>`).join('')}</table>`;
}

function hubs(reports: readonly FleetReport[], titles: readonly string[]): string {
  const percent = (share: number | null): string => (share === null ? '-' : `${(share * 100).toFixed(1)} %`);
  return reports
    .map(
      (report, index) =>
        `${reports.length === 1 ? '' : `<h3>${escaped(titles[index] ?? '')}</h3>`}<table><tr><th>hub</th><th>devices</th><th>share</th><th>demanded</th></tr>${Object.entries(
          report.hubs,
        )
          .map(
            ([host, { devices, share, demanded }]) =>
              `<tr><td>${escaped(host)}</td><td class="n">${devices}</td><td class="n">${percent(share)}</td><td class="n">${percent(demanded)}</td></tr>`,
          )
          .join('')}</table>`,
    )
    .join('');
}

function scenarios(reports: readonly FleetReport[], titles: readonly string[]): string {
  return reports
    .map(({ scenarios: own = {} }, index) => {
      const head = reports.length === 1 ? '' : `<h3>${escaped(titles[index] ?? '')}</h3>`;
      if (Object.keys(own).length === 0) return `${head}<p>None.</p>`;
      const rows = Object.entries(own).map(([name, { summary, where, reasons: why, ...counts }]) => {
        const { devices, running, elsewhere, failed, dpsCalls, dpsCallsOff } = counts;
        const numbers = [devices, running, elsewhere, failed, dpsCalls, dpsCallsOff].map((count) => `<td class="n">${count}</td>`).join('');
        const said = why.map(({ reason, devices: some }) => escaped(`${some} x ${reason}`)).join('<br>');
        return `<tr><td>${escaped(name)}<br><small>${escaped(summary)}</small></td>${numbers}<td>${escaped(where)}</td><td>${said}</td></tr>`;
      });
      const names = [
        'scenario',
        'devices',
        'running',
        'elsewhere, as it says',
        'failed',
        'DPS asked',
        'devices that asked more or less than it says',
      ];
      return `${head}<table><tr>${[...names, 'should end', 'why not'].map((name) => `<th>${name}</th>`).join('')}</tr>${rows.join('')}</table>`;
    })
    .join('');
}

function reasons(reports: readonly FleetReport[], titles: readonly string[]): string {
  return reports
    .map((report, index) => {
      const head = reports.length === 1 ? '' : `<h3>${escaped(titles[index] ?? '')}</h3>`;
      if (report.reasons.length === 0) return `${head}<p>None.</p>`;
      const rows = report.reasons.map(
        ({ reason, count, example, remedy }) =>
          `<tr><td class="n">${count}</td><td>${escaped(reason)}</td><td>${escaped(example)}</td><td>${escaped(remedy)}</td></tr>`,
      );
      return `${head}<table><tr><th>times</th><th>what</th><th>for instance</th><th>what to do</th></tr>${rows.join('')}</table>`;
    })
    .join('');
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

// Inside a script element, no text may end it.
function json(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c');
}
