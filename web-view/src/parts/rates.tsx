import type { EventName, Second } from '@zerotouch/cloud-sim/web/shapes';
import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { several } from '../format.js';

/** Seconds that are drawn. */
const SPAN = 120;
const HEIGHT = 290;
const CURVES: readonly { event: EventName; color: string }[] = [
  { event: 'registered', color: '--accent' },
  { event: 'connected', color: '--good' },
  { event: 'refused', color: '--bad' },
  { event: 'telemetry', color: '--soft' },
];

/** What happened in each of the last seconds, as curves. */
export function Rates({ seconds, now }: { seconds: readonly Second[]; now: number }) {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot>();
  const [theme, setTheme] = useState(0);
  useEffect(() => {
    const change = (): void => setTheme((count) => count + 1);
    const system = matchMedia('(prefers-color-scheme: dark)');
    system.addEventListener('change', change);
    addEventListener('themechange', change);
    return () => {
      system.removeEventListener('change', change);
      removeEventListener('themechange', change);
    };
  }, []);
  // A canvas keeps its colours: another theme needs another chart.
  useEffect(() => {
    const box = place.current;
    if (box === null) return;
    const plot = new uPlot(options(box), table(seconds, now), box);
    chart.current = plot;
    const observer = new ResizeObserver(() => plot.setSize({ width: box.clientWidth, height: HEIGHT }));
    observer.observe(box);
    return () => {
      observer.disconnect();
      plot.destroy();
    };
  }, [theme]);
  useEffect(() => chart.current?.setData(table(seconds, now)), [seconds, now]);
  const minute = seconds.filter(({ second }) => second > now / 1000 - 60);
  const summary = CURVES.map(
    ({ event }) =>
      `${event} ${several(
        minute.reduce((sum, each) => sum + each[event], 0),
        'time',
      )}`,
  ).join(', ');
  return <div ref={place} class="chart" role="img" aria-label={`In the last minute: ${summary}`} />;
}

function table(seconds: readonly Second[], now: number): uPlot.AlignedData {
  // The present second is not over: drawn, it would be a fall at the end of every curve.
  const last = Math.floor(now / 1000) - 1;
  const bySecond = new Map(seconds.map((each) => [each.second, each]));
  const times = Array.from({ length: SPAN }, (_, index) => last - SPAN + 1 + index);
  return [times, ...CURVES.map(({ event }) => times.map((second) => bySecond.get(second)?.[event] ?? 0))];
}

function options(box: HTMLElement): uPlot.Options {
  const probe = document.createElement('span');
  box.append(probe);
  const color = (name: string): string => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const axis = { stroke: color('--quiet'), grid: { stroke: color('--line'), width: 1 }, ticks: { show: false } };
  const built: uPlot.Options = {
    width: box.clientWidth,
    height: HEIGHT,
    cursor: { drag: { x: false, y: false } },
    scales: { y: { range: (_, __, most) => [0, Math.max(4, most * 1.1)] } },
    axes: [
      { ...axis, values: (_, times) => times.map((time) => new Date(time * 1000).toLocaleTimeString('en-GB')), space: 90 },
      { ...axis, size: 44, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000] },
    ],
    series: [
      { value: (_, time) => (time === null ? '' : new Date(time * 1000).toLocaleTimeString('en-GB')), label: 'time' },
      ...CURVES.map(({ event, color: name }) => ({ label: event, stroke: color(name), width: 2, points: { show: false } })),
    ],
  };
  probe.remove();
  return built;
}
