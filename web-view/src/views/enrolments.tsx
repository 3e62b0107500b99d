import type { Paged } from '@zerotouch/cloud-sim/store/paged';
import type { EnrolmentView } from '@zerotouch/cloud-sim/web/shapes';
import { useFetched } from '../context.js';
import { dateTime, shortHost } from '../format.js';
import { PAGE_ROWS, Pager, PrefixField, usePlace } from '../parts/paging.js';
import { type Column, Table } from '../parts/table.js';
import { linkTo } from '../route.js';

const HEADS: readonly Column[] = ['enrolment', 'kind', 'attestation', 'status', 'allocation', 'hubs', 'initial twin', 'last changed'];

const ATTESTATIONS: Record<EnrolmentView['attestation'], string> = { x509: 'X.509 certificate', symmetricKey: 'symmetric key', tpm: 'TPM' };

/** Who may register: groups first, then single devices. Keys are never shown. */
export function EnrolmentsView(_: { query: Record<string, string> }) {
  const place = usePlace();
  const { data, error } = useFetched<Paged<EnrolmentView>>('enrolments', {
    limit: PAGE_ROWS,
    after: place.after,
    startsWith: place.startsWith,
  });
  return (
    <section class="card" aria-labelledby="title">
      <h1 id="title">Enrolments</h1>
      <PrefixField place={place} label="id begins with" />
      {error !== undefined && <p class="error">{error}</p>}
      <Table columns={HEADS}>
        {data?.items.map((each) => (
          <tr key={`${each.kind} ${each.id}`}>
            <th scope="row">
              <a href={each.kind === 'group' ? linkTo('registrations', { group: each.id }) : linkTo('device', { id: each.id })}>
                {each.id}
              </a>
            </th>
            <td>{each.kind}</td>
            <td>{ATTESTATIONS[each.attestation]}</td>
            <td>
              <span class={`chip ${each.enabled ? 'good' : 'bad'}`}>{each.enabled ? 'enabled' : 'disabled'}</span>
            </td>
            <td>{each.allocationPolicy ?? 'of the DPS'}</td>
            <td>{each.iotHubs.length === 0 ? 'all linked' : each.iotHubs.map(shortHost).join(', ')}</td>
            <td>{each.initialTwin === null ? '' : <code class="twin">{JSON.stringify(each.initialTwin)}</code>}</td>
            <td>{dateTime(each.lastUpdatedDateTimeUtc)}</td>
          </tr>
        ))}
      </Table>
      {data?.items.length === 0 && (
        <p class="quiet">
          Nobody is enrolled. <code>zerotouch cloud --enrollments DIR</code> takes those of a burnt batch, <code>zerotouch enroll DIR</code>{' '}
          adds them while the cloud runs.
        </p>
      )}
      <Pager place={place} next={data?.next} shown={data?.items.length ?? 0} />
    </section>
  );
}
