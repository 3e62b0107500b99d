import type { EventName, Line } from '@zerotouch/cloud-sim/web/shapes';
import { useState } from 'preact/hooks';
import { clockTime, shortHost } from '../format.js';
import { linkTo } from '../route.js';

const SHOWN = 60;
const FILTERS: readonly { name: string; events: readonly EventName[] | undefined }[] = [
  { name: 'all', events: undefined },
  { name: 'registrations', events: ['registered'] },
  { name: 'refusals', events: ['refused'] },
  { name: 'connections', events: ['connected', 'disconnected'] },
  { name: 'data', events: ['telemetry', 'reported'] },
];

/** What happens, as it comes, newest first. It is not announced: nobody can listen to a storm; paused, it is read at leisure. */
export function Feed({ lines }: { lines: readonly Line[] }) {
  const [filter, setFilter] = useState(0);
  const [held, setHeld] = useState<readonly Line[]>();
  const events = FILTERS[filter]?.events;
  const shown = (held ?? lines)
    .filter(({ event }) => events === undefined || events.includes(event))
    .slice(-SHOWN)
    .reverse();
  return (
    <>
      <div class="tools heading">
        <h2 id="feed">As it comes</h2>
        <button type="button" class="end" aria-pressed={held !== undefined} onClick={() => setHeld(held === undefined ? lines : undefined)}>
          {held === undefined ? 'pause' : 'go on'}
        </button>
      </div>
      <fieldset class="tools">
        <legend class="unseen">Which events are shown</legend>
        {FILTERS.map(({ name }, index) => (
          <button key={name} type="button" aria-pressed={filter === index} onClick={() => setFilter(index)}>
            {name}
          </button>
        ))}
      </fieldset>
      {shown.length === 0 && <p class="quiet">Nothing yet.</p>}
      <ol class="feed" aria-labelledby="feed">
        {shown.map(({ seq, at, event, id, host, text, remedy }) => (
          <li key={seq} class={event}>
            <time>{clockTime(at)}</time> <span class="event">{event}</span> <a href={linkTo('device', { id })}>{id}</a>{' '}
            <span class="quiet">{shortHost(host)}</span>
            <p>
              {text}
              {remedy !== undefined && <span class="remedy"> {remedy}</span>}
            </p>
          </li>
        ))}
      </ol>
    </>
  );
}
