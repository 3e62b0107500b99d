import type { DeviceView as Shape } from '@zerotouch/cloud-sim/web/shapes';
import { useFetched } from '../context.js';
import { dateTime, shortHost, words } from '../format.js';
import { Attempts } from '../parts/attempts.js';
import { Home } from '../parts/home.js';
import { Why } from '../parts/why.js';
import { linkTo } from '../route.js';

/** Everything about one device: what it tried and why it was refused, where it lives, its twin, its methods. */
export function DeviceView({ query: { id = '' } }: { query: Record<string, string> }) {
  const { data, error, refresh } = useFetched<Shape>(`devices/${encodeURIComponent(id)}`);
  if (data === undefined) return <Nothing id={id} text={error ?? 'Loading…'} />;
  const { registration, homes, attempts } = data;
  const last = attempts.at(-1);
  return (
    <>
      <section class="card" aria-labelledby="title">
        <h1 id="title">{id}</h1>
        {registration === null ? (
          <p class="quiet">DPS has no registration of it.</p>
        ) : (
          <p>
            <span class={`chip ${registration.status === 'assigned' ? 'good' : 'bad'}`}>{registration.status}</span>{' '}
            {registration.assignedHub !== undefined && (
              <>
                to <a href={linkTo('devices', { hub: registration.assignedHub })}>{shortHost(registration.assignedHub)}</a>
                {registration.substatus !== undefined && ` (${words(registration.substatus)})`}
              </>
            )}
            {registration.errorMessage}
            {registration.enrolmentGroup !== undefined && (
              <>
                , let in by group{' '}
                <a href={linkTo('registrations', { group: registration.enrolmentGroup })}>{registration.enrolmentGroup}</a>
              </>
            )}
            <span class="quiet"> {dateTime(registration.lastUpdatedDateTimeUtc)}</span>
          </p>
        )}
        {last !== undefined && (last.outcome === 'refused' || last.outcome === 'failed') && (
          <section class="alarm" aria-labelledby="alarm">
            <h2 id="alarm">Refused: the real reason</h2>
            <Why attempt={last} />
          </section>
        )}
      </section>
      {homes.map((home) => (
        <Home key={home.host} home={home} changed={refresh} />
      ))}
      <section class="card" aria-labelledby="attempts">
        <h2 id="attempts">What it tried</h2>
        <Attempts attempts={attempts} />
      </section>
    </>
  );
}

function Nothing({ id, text }: { id: string; text: string }) {
  return (
    <section class="card">
      <h1>{id}</h1>
      <p class="quiet">{text}</p>
    </section>
  );
}
