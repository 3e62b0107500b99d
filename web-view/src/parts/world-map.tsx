import { outline } from 'virtual:land';
import type { HubView } from '@zerotouch/cloud-sim/web/shapes';
import { number, several, shortHost } from '../format.js';
import { height, project, width } from '../projection.js';
import { linkTo } from '../route.js';

/** Hubs in one region lie at one place. */
interface Place {
  region: string;
  at: [number, number];
  hubs: HubView[];
  devices: number;
  connected: number;
}

/** Where the hubs are, and how many devices each has. The same is in the table below it, for those who cannot see or point. */
export function WorldMap({ hubs }: { hubs: readonly HubView[] }) {
  const places = placesOf(hubs);
  const most = Math.max(1, ...places.map(({ devices }) => devices));
  const summary = places.map(({ region, devices }) => `${region}: ${several(devices, 'device')}`).join('; ');
  return (
    <div class="world">
      <svg viewBox={`0 0 ${width} ${height}`} role="img" aria-label={`Map of the hubs. ${summary}`}>
        <path class="land" d={outline} />
        {places.map(({ region, at: [x, y], devices, connected }) => {
          const radius = 6 + 22 * Math.sqrt(devices / most);
          return (
            <g key={region} transform={`translate(${x} ${y})`}>
              <circle class="devices" r={radius} />
              {connected > 0 && <circle class="connected" r={Math.max(4, radius * Math.sqrt(connected / devices))} />}
              <circle class="heart" r="3" />
            </g>
          );
        })}
      </svg>
      {places.map((place) => (
        <div
          key={place.region}
          aria-hidden="true"
          class={`label ${place.at[0] > width * 0.74 ? 'left' : ''}`}
          style={{ left: `${(100 * place.at[0]) / width}%`, top: `${(100 * place.at[1]) / height}%` }}
        >
          {place.hubs.map(({ host, devices }) => (
            <a key={host} href={linkTo('devices', { hub: host })} tabIndex={-1} title={`${host}, ${place.region}`}>
              {shortHost(host)} <b>{number(devices)}</b>
            </a>
          ))}
        </div>
      ))}
    </div>
  );
}

function placesOf(hubs: readonly HubView[]): Place[] {
  const places = new Map<string, Place>();
  for (const hub of hubs) {
    if (hub.place === null) continue;
    const place = places.get(hub.region) ?? { region: hub.region, at: project(...hub.place), hubs: [], devices: 0, connected: 0 };
    place.hubs.push(hub);
    place.devices += hub.devices;
    place.connected += hub.connected;
    places.set(hub.region, place);
  }
  return [...places.values()];
}
