import type { Paged } from '@zerotouch/cloud-sim/store/paged';
import type { RegistrationView } from '@zerotouch/cloud-sim/web/shapes';
import { useFetched } from '../context.js';
import { dateTime, shortHost, words } from '../format.js';
import { PAGE_ROWS, Pager, PrefixField, usePlace } from '../parts/paging.js';
import { type Column, Table } from '../parts/table.js';
import { linkTo } from '../route.js';

const HEADS: readonly Column[] = ['registration', 'status', 'hub', 'let in by', 'last changed'];

/** What DPS keeps of the devices that registered, all or those of one group. */
export function RegistrationsView({ query: { group } }: { query: Record<string, string> }) {
  return <Registrations key={group} group={group} />;
}

function Registrations({ group }: { group: string | undefined }) {
  const place = usePlace();
  const { data, error } = useFetched<Paged<RegistrationView>>('registrations', {
    limit: PAGE_ROWS,
    after: place.after,
    startsWith: place.startsWith,
    enrolmentGroup: group,
  });
  return (
    <section class="card" aria-labelledby="title">
      <h1 id="title">Registrations{group !== undefined && ` by group ${group}`}</h1>
      {group !== undefined && (
        <p>
          <a href={linkTo('registrations')}>of all enrolments</a>
        </p>
      )}
      <PrefixField place={place} label="registration id begins with" />
      {error !== undefined && <p class="error">{error}</p>}
      <Table columns={HEADS}>
        {data?.items.map(({ registrationId, status, substatus, assignedHub, enrolmentGroup, errorMessage, lastUpdatedDateTimeUtc }) => (
          <tr key={registrationId}>
            <th scope="row">
              <a href={linkTo('device', { id: registrationId })}>{registrationId}</a>
            </th>
            <td>
              <span class={`chip ${status === 'assigned' ? 'good' : status === 'failed' ? 'bad' : ''}`}>{status}</span>{' '}
              <span class="quiet">{errorMessage ?? (substatus === undefined ? '' : words(substatus))}</span>
            </td>
            <td>{assignedHub === undefined ? '' : shortHost(assignedHub)}</td>
            <td>{enrolmentGroup === undefined ? 'its own enrolment' : `group ${enrolmentGroup}`}</td>
            <td>{dateTime(lastUpdatedDateTimeUtc)}</td>
          </tr>
        ))}
      </Table>
      {data?.items.length === 0 && <p class="quiet">No registration is here yet.</p>}
      <Pager place={place} next={data?.next} shown={data?.items.length ?? 0} />
    </section>
  );
}
