import type { HubView } from '@zerotouch/cloud-sim/web/shapes';
import { number, shortHost } from '../format.js';
import { linkTo } from '../route.js';
import { type Column, Table } from './table.js';

const HEADS: readonly Column[] = [
  'hub',
  'region',
  'weight',
  { name: 'share', class: 'share' },
  { name: 'devices', class: 'count' },
  { name: 'connected', class: 'count' },
];

/** The hubs in a table: what DPS gives them, and what they have. */
export function HubTable({ hubs }: { hubs: readonly HubView[] }) {
  const all = hubs.reduce((sum, { devices }) => sum + devices, 0);
  return (
    <Table columns={HEADS}>
      {hubs.map(({ host, region, link, devices, connected }) => (
        <tr key={host}>
          <th scope="row">
            <a href={linkTo('devices', { hub: host })} title={host}>
              {shortHost(host)}
            </a>
          </th>
          <td>{region}</td>
          <td>{link === null ? 'not linked' : link.applyAllocationPolicy ? number(link.allocationWeight) : 'taken out'}</td>
          <td class="share">
            <progress max={Math.max(1, all)} value={devices} aria-label={`Share of ${host}`} />
          </td>
          <td class="count">{number(devices)}</td>
          <td class="count">{number(connected)}</td>
        </tr>
      ))}
    </Table>
  );
}
