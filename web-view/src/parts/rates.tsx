import type { EventName, Second } from '@zerotouch/cloud-sim/web/shapes';
import { useMemo } from 'preact/hooks';
import type uPlot from 'uplot';
import { several } from '../format.js';
import { Curves } from './curves.js';

/** Seconds that are drawn. */
const SPAN = 120;
const HEIGHT = 290;
const CURVES: readonly { name: EventName; color: string }[] = [
  { name: 'registered', color: '--accent' },
  { name: 'connected', color: '--good' },
  { name: 'refused', color: '--bad' },
  { name: 'telemetry', color: '--soft' },
];

/** What happened in each of the last seconds, as curves. */
export function Rates({ seconds, now }: { seconds: readonly Second[]; now: number }) {
  const data = useMemo(() => table(seconds, now), [seconds, now]);
  const minute = seconds.filter(({ second }) => second > now / 1000 - 60);
  const summary = CURVES.map(
    ({ name }) =>
      `${name} ${several(
        minute.reduce((sum, each) => sum + each[name], 0),
        'time',
      )}`,
  ).join(', ');
  const clock = (at: number): string => new Date(at * 1000).toLocaleTimeString('en-GB');
  return <Curves curves={CURVES} data={data} label={`In the last minute: ${summary}`} height={HEIGHT} time={clock} />;
}

function table(seconds: readonly Second[], now: number): uPlot.AlignedData {
  // The present second is not over: drawn, it would be a fall at the end of every curve.
  const last = Math.floor(now / 1000) - 1;
  const bySecond = new Map(seconds.map((each) => [each.second, each]));
  const times = Array.from({ length: SPAN }, (_, index) => last - SPAN + 1 + index);
  return [times, ...CURVES.map(({ name }) => times.map((second) => bySecond.get(second)?.[name] ?? 0))];
}
