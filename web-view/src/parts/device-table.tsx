import type { HubDevice } from '@zerotouch/cloud-sim/api/hub-service';
import type { Paged } from '@zerotouch/cloud-sim/store/paged';
import { useFetched } from '../context.js';
import { linkTo } from '../route.js';
import { PAGE_ROWS, Pager, PrefixField, usePlace } from './paging.js';
import { type Column, Table } from './table.js';

const HEADS: readonly Column[] = ['device', 'connection', 'signs in with', 'kind'];

/** One page of a hub's devices. */
export function DeviceTable({ host }: { host: string }) {
  const place = usePlace();
  const { data, error } = useFetched<Paged<HubDevice>>(`hubs/${encodeURIComponent(host)}/devices`, {
    limit: PAGE_ROWS,
    after: place.after,
    startsWith: place.startsWith,
  });
  return (
    <>
      <PrefixField place={place} label="device id begins with" />
      {error !== undefined && <p class="error">{error}</p>}
      <Table columns={HEADS}>
        {data?.items.map(({ deviceId, connectionState, authentication, capabilities }) => (
          <tr key={deviceId}>
            <th scope="row">
              <a href={linkTo('device', { id: deviceId })}>{deviceId}</a>
            </th>
            <td>
              <span class={`chip ${connectionState === 'Connected' ? 'good' : ''}`}>{connectionState.toLowerCase()}</span>
            </td>
            <td>{authentication === 'sas' ? 'token' : 'certificate'}</td>
            <td>{capabilities.iotEdge ? 'edge device' : 'device'}</td>
          </tr>
        ))}
      </Table>
      {data?.items.length === 0 && (
        <p class="quiet">{place.startsWith === undefined ? 'No device is here yet.' : 'No device id begins like this.'}</p>
      )}
      <Pager place={place} next={data?.next} shown={data?.items.length ?? 0} />
    </>
  );
}
