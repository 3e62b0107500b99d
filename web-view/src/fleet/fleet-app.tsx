import type { LiveTick } from '@zerotouch/fleet-sim/live/shapes';
import { useEffect, useMemo, useState } from 'preact/hooks';
import type uPlot from 'uplot';
import type { Client } from '../client.js';
import { number } from '../format.js';
import { Curves } from '../parts/curves.js';
import { ThemeButton } from '../parts/theme-button.js';
import { Tile } from '../parts/tile.js';
import { followTicks, type StreamState } from '../stream.js';
import { Controls } from './controls.js';

const STATES: Record<StreamState, string> = {
  connecting: 'connecting',
  live: 'live',
  lost: 'the fleet does not answer: it may be over',
  refused: 'no token',
};
const ONLINE = [{ name: 'online', color: '--good' }];
const RATES = [
  { name: 'boots', color: '--accent' },
  { name: 'retries', color: '--soft' },
  { name: 'throttled', color: '--bad' },
];
const HEIGHT = 240;

/** A fleet that runs, on one page. */
export function FleetApp({ client }: { client: Client }) {
  const [state, setState] = useState<StreamState>('connecting');
  const [tick, setTick] = useState<LiveTick>();
  useEffect(() => {
    const ended = new AbortController();
    const take = (told: LiveTick): void => {
      setTick(told);
      setState('live');
    };
    void followTicks<LiveTick>(client, { tick: take, state: setState }, ended.signal);
    return () => ended.abort();
  }, [client]);
  return (
    <>
      <header class="top">
        <span class="brand">
          <img src="/icon.svg" alt="" width="26" height="26" /> zerotouch <span>fleet{tick === undefined ? '' : ` ${tick.name}`}</span>
        </span>
        <span class={`state ${state}`} role="status">
          {STATES[state]}
        </span>
        {tick?.isPaused === true && state === 'live' && <span class="state paused">paused</span>}
        <ThemeButton />
      </header>
      <main id="main">
        <h1 class="unseen">A fleet that runs</h1>
        {state === 'refused' ? <Refused /> : tick === undefined ? <p class="quiet">Connecting…</p> : <Fleet tick={tick} client={client} />}
      </main>
    </>
  );
}

function Fleet({ tick, client }: { tick: LiveTick; client: Client }) {
  const { seconds, states, bootMs } = tick;
  const times = useMemo(() => seconds.map(({ at }) => at), [seconds]);
  const online = useMemo((): uPlot.AlignedData => [times, seconds.map((second) => second.online)], [times, seconds]);
  const rates = useMemo(
    (): uPlot.AlignedData => [times, ...(['boots', 'retries', 'throttled'] as const).map((of) => seconds.map((second) => second[of]))],
    [times, seconds],
  );
  return (
    <>
      <dl class="tiles six">
        <Tile name="devices" value={number(tick.devices)} />
        <Tile name="off" value={number(states.off)} />
        <Tile name="booting" value={number(states.booting)} />
        <Tile name="online" value={number(states.online)} tone="good" />
        <Tile name="halted" value={number(states.halted)} tone={states.halted > 0 ? 'bad' : 'plain'} />
        <Tile name="running for" value={clock(tick.elapsedSeconds)} />
        <Tile name="boots a second" value={tick.bootsPerSecond.toFixed(1)} />
        <Tile name="retries" value={number(tick.retries)} />
        <Tile name="throttled" value={number(tick.throttled)} tone={tick.throttled > 0 ? 'bad' : 'plain'} />
        <Tile name="boot, median" value={duration(bootMs.p50)} />
        <Tile name="boot, 95 in 100" value={duration(bootMs.p95)} />
        <Tile name="boot, 99 in 100" value={duration(bootMs.p99)} />
      </dl>
      <section class="card" aria-labelledby="steer">
        <h2 id="steer">Steer</h2>
        <Controls client={client} regions={tick.regions} isPaused={tick.isPaused} />
      </section>
      <section class="card" aria-labelledby="online">
        <h2 id="online">Devices online</h2>
        <Curves curves={ONLINE} data={online} label={`${number(states.online)} devices online`} height={HEIGHT} time={clock} />
      </section>
      <section class="card" aria-labelledby="rates">
        <h2 id="rates">Boots, retries and throttles a second</h2>
        <Curves
          curves={RATES}
          data={rates}
          label={`${tick.bootsPerSecond.toFixed(1)} boots a second, ${number(tick.retries)} retries and ${number(tick.throttled)} throttled in all`}
          height={HEIGHT}
          time={clock}
        />
      </section>
      <Counts
        id="hubs"
        title="Hubs"
        head="hub"
        count="devices"
        rows={Object.entries(tick.hubs).map(([name, count]) => ({ name, count }))}
      />
      {tick.reasons.length > 0 && (
        <Counts
          id="why"
          title="Failures"
          head="what, and one that said so"
          count="times"
          rows={tick.reasons.map(({ kind, count, example }) => ({ name: `${kind}: ${example}`, count }))}
        />
      )}
    </>
  );
}

function Counts({
  id,
  title,
  head,
  count: counted,
  rows,
}: {
  id: string;
  title: string;
  head: string;
  /** What is counted. */
  count: string;
  rows: readonly { name: string; count: number }[];
}) {
  return (
    <section class="card" aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      <table>
        <thead>
          <tr>
            <th scope="col">{head}</th>
            <th scope="col">{counted}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ name, count }) => (
            <tr key={name}>
              <td>{name}</td>
              <td>{number(count)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Refused() {
  return (
    <section class="card notice">
      <h2>This page has no token</h2>
      <p>
        Only who powered the fleet on may steer it. Open the whole address that <code>zerotouch fleet --live</code> printed in its terminal;
        the part behind the <code>#</code> is the token. It changes with every start.
      </p>
    </section>
  );
}

function clock(seconds: number): string {
  const [minutes, rest] = [Math.floor(seconds / 60), Math.floor(seconds % 60)];
  return `${minutes}:${String(rest).padStart(2, '0')}`;
}

function duration(ms: number | null): string {
  if (ms === null) return '–';
  return ms < 1000 ? `${number(ms)} ms` : `${(ms / 1000).toFixed(ms < 100_000 ? 2 : 0)} s`;
}
