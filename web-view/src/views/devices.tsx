import type { HubView, Overview } from '@zerotouch/cloud-sim/web/shapes';
import { useFetched, useGround } from '../context.js';
import { number, shortHost } from '../format.js';
import { DeviceTable } from '../parts/device-table.js';
import { go } from '../route.js';

/** The devices of one hub, a page at a time. */
export function DevicesView({ query }: { query: Record<string, string> }) {
  const { live } = useGround();
  const { data, error } = useFetched<Overview>('overview');
  if (data === undefined) return <p class="quiet">{error ?? 'Loading…'}</p>;
  const known = data.hubs.find(({ host }) => host === query.hub);
  if (query.hub !== undefined && known === undefined) return <p class="quiet">There is no hub {query.hub} here.</p>;
  const hub: HubView | undefined = known ?? data.hubs[0];
  if (hub === undefined) return <p class="quiet">This cloud has no hub.</p>;
  const counts = live.hubs.find(({ host }) => host === hub.host) ?? hub;
  return (
    <section class="card" aria-labelledby="title">
      <h1 id="title">Devices at {shortHost(hub.host)}</h1>
      <p class="quiet">
        {hub.host}, {hub.region}: {number(counts.devices)} devices, {number(counts.connected)} connected
      </p>
      <label class="field">
        hub
        <select value={hub.host} onChange={({ currentTarget }) => go('devices', { hub: currentTarget.value })}>
          {data.hubs.map(({ host }) => (
            <option key={host} value={host}>
              {host}
            </option>
          ))}
        </select>
      </label>
      <DeviceTable key={hub.host} host={hub.host} />
    </section>
  );
}
