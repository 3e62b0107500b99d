import type { FailingDevice } from '@zerotouch/cloud-sim/web/shapes';
import { useFetched, useGround } from '../context.js';
import { several } from '../format.js';
import { PAGE_ROWS, Pager, usePlace } from '../parts/paging.js';
import { Why } from '../parts/why.js';
import { go, linkTo } from '../route.js';

/** Every device that is failing, with the real reason and what to do. */
export function FailuresView({ query: { rule } }: { query: Record<string, string> }) {
  return <Failures key={rule} rule={rule} />;
}

function Failures({ rule }: { rule: string | undefined }) {
  const { live } = useGround();
  const place = usePlace();
  const skip = (place.page - 1) * PAGE_ROWS;
  const { data, error } = useFetched<{ items: FailingDevice[]; more: boolean }>('failures', { limit: PAGE_ROWS, skip, rule });
  const { devices, groups } = live.failures;
  return (
    <section class="card" aria-labelledby="title">
      <h1 id="title">Failures</h1>
      <p class="quiet">{several(devices, 'device')} failing: refused last, and nothing since.</p>
      <label class="field">
        rule
        <select value={rule ?? ''} onChange={({ currentTarget }) => go('failures', { rule: currentTarget.value })}>
          <option value="">every rule</option>
          {rule !== undefined && !groups.some((group) => group.rule === rule) && <option value={rule}>{rule} (0)</option>}
          {groups.map((group) => (
            <option key={group.rule} value={group.rule}>
              {group.rule} ({group.devices})
            </option>
          ))}
        </select>
      </label>
      {error !== undefined && <p class="error">{error}</p>}
      <ul class="failing">
        {data?.items.map(({ id, refusals, attempt }) => (
          <li key={id}>
            <h2>
              <a href={linkTo('device', { id })}>{id}</a> <small>{several(refusals, 'refusal')}</small>
            </h2>
            <Why attempt={attempt} />
          </li>
        ))}
      </ul>
      {data?.items.length === 0 && <p class="quiet">No device is failing{rule === undefined ? '' : ' by this rule'}.</p>}
      <Pager place={place} next={data?.more ? String(skip) : undefined} shown={data?.items.length ?? 0} />
    </section>
  );
}
