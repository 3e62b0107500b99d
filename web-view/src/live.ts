import type { EventCounts, HubCount, Line, Second, Tick } from '@zerotouch/cloud-sim/web/shapes';
import type { Client } from './client.js';
import { followTicks, type StreamState } from './stream.js';

/** What is known of the running cloud right now. */
export interface Live {
  state: StreamState;
  now: number;
  counts: EventCounts | undefined;
  hubs: HubCount[];
  failures: Tick['failures'];
  seconds: Second[];
  /** Oldest first. */
  lines: Line[];
  /** Rises with every tick that told something new: what is shown of the cloud may be stale. */
  version: number;
}

const KEPT = { seconds: 180, lines: 300 };

const nothing: Live = {
  state: 'connecting',
  now: Date.now(),
  counts: undefined,
  hubs: [],
  failures: { devices: 0, groups: [] },
  seconds: [],
  lines: [],
  version: 0,
};

/** Follows the cloud's ticks until the signal, over every loss of the connection. */
export async function follow(client: Client, tell: (live: Live) => void, signal: AbortSignal): Promise<void> {
  let live = nothing;
  const set = (change: Partial<Live>): void => {
    live = { ...live, ...change };
    if (!signal.aborted) tell(live);
  };
  const tick = (told: Tick, isFirst: boolean): void => set(isFirst ? { ...begin(told), version: live.version + 1 } : merge(live, told));
  await followTicks<Tick>(client, { tick, state: (state) => set({ state }) }, signal);
}

function begin(tick: Tick): Omit<Live, 'version'> {
  return { ...tick, state: 'live' };
}

function merge(live: Live, tick: Tick): Live {
  const first = tick.seconds[0]?.second ?? Number.POSITIVE_INFINITY;
  const changed = tick.lines.length > 0 || JSON.stringify(tick.hubs) !== JSON.stringify(live.hubs);
  return {
    ...tick,
    state: 'live',
    seconds: [...live.seconds.filter(({ second }) => second < first), ...tick.seconds].slice(-KEPT.seconds),
    lines: [...live.lines, ...tick.lines].slice(-KEPT.lines),
    version: live.version + (changed ? 1 : 0),
  };
}
