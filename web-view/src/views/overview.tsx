import type { HubView, Overview } from '@zerotouch/cloud-sim/web/shapes';
import { useFetched, useGround } from '../context.js';
import { number } from '../format.js';
import { FailureGroups } from '../parts/failure-groups.js';
import { Feed } from '../parts/feed.js';
import { HubTable } from '../parts/hub-table.js';
import { Rates } from '../parts/rates.js';
import { Tile } from '../parts/tile.js';
import { WorldMap } from '../parts/world-map.js';

/** Everything at a glance. */
export function OverviewView(_: { query: Record<string, string> }) {
  const { live } = useGround();
  const { data, error } = useFetched<Overview>('overview');
  if (data === undefined) return <p class="quiet">{error ?? 'Loading…'}</p>;
  // The stream is ahead of what was fetched.
  const hubs = data.hubs.map((hub): HubView => ({ ...hub, ...live.hubs.find(({ host }) => host === hub.host) }));
  const sum = (of: 'devices' | 'connected'): number => hubs.reduce((total, hub) => total + hub[of], 0);
  return (
    <>
      <h1 class="unseen">Overview</h1>
      <dl class="tiles">
        <Tile name="devices" value={number(sum('devices'))} />
        <Tile name="connected" value={number(sum('connected'))} tone="good" />
        <Tile name="registrations" value={number(live.counts?.registered ?? 0)} />
        <Tile name="refusals" value={number(live.counts?.refused ?? 0)} />
        <Tile name="failing now" value={number(live.failures.devices)} tone={live.failures.devices > 0 ? 'bad' : 'plain'} />
        <Tile name="ID scope" value={data.idScope} tone="code" />
      </dl>
      <div class="grid overview">
        <section class="card map" aria-labelledby="hubs">
          <h2 id="hubs">
            Hubs <small>allocation: {data.allocationPolicy}</small>
          </h2>
          <WorldMap hubs={hubs} />
          <HubTable hubs={hubs} />
        </section>
        <section class="card" aria-labelledby="why">
          <h2 id="why">Why devices fail</h2>
          <FailureGroups failures={live.failures} />
        </section>
        <section class="card" aria-labelledby="rates">
          <h2 id="rates">Events per second</h2>
          <Rates seconds={live.seconds} now={live.now} />
        </section>
        <section class="card" aria-labelledby="feed">
          <Feed lines={live.lines} />
        </section>
      </div>
    </>
  );
}
