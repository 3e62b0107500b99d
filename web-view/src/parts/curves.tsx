import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';

/** One curve: what it is called, and the colour of the style sheet that it has. */
export interface Curve {
  readonly name: string;
  readonly color: string;
}

/** Curves over time, in the colours of the theme, as wide as their place. @param time how a moment of the axis is written */
export function Curves({
  curves,
  data,
  label,
  height,
  time,
}: {
  curves: readonly Curve[];
  data: uPlot.AlignedData;
  label: string;
  height: number;
  time: (at: number) => string;
}) {
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
    const plot = new uPlot(options(box, curves, height, time), data, box);
    chart.current = plot;
    const observer = new ResizeObserver(() => plot.setSize({ width: box.clientWidth, height }));
    observer.observe(box);
    return () => {
      observer.disconnect();
      plot.destroy();
    };
  }, [theme]);
  useEffect(() => chart.current?.setData(data), [data]);
  return <div ref={place} class="chart" role="img" aria-label={label} />;
}

function options(box: HTMLElement, curves: readonly Curve[], height: number, time: (at: number) => string): uPlot.Options {
  const probe = document.createElement('span');
  box.append(probe);
  const color = (name: string): string => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const axis = { stroke: color('--quiet'), grid: { stroke: color('--line'), width: 1 }, ticks: { show: false } };
  const built: uPlot.Options = {
    width: box.clientWidth,
    height,
    cursor: { drag: { x: false, y: false } },
    scales: { y: { range: (_, __, most) => [0, Math.max(4, most * 1.1)] } },
    axes: [
      { ...axis, values: (_, times) => times.map(time), space: 90 },
      { ...axis, size: 56, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000] },
    ],
    series: [
      { value: (_, at) => (at === null ? '' : time(at)), label: 'time' },
      ...curves.map(({ name, color: of }) => ({ label: name, stroke: color(of), width: 2, points: { show: false } })),
    ],
  };
  probe.remove();
  return built;
}
