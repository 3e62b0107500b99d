import type { Tick } from '@zerotouch/cloud-sim/web/shapes';
import { number, several } from '../format.js';
import { linkTo } from '../route.js';

/** Failing devices by the rule that refused them, with what to do. */
export function FailureGroups({ failures: { groups } }: { failures: Tick['failures'] }) {
  if (groups.length === 0)
    return <p class="quiet">No device is failing. Whoever is refused shows up here, with the real reason and what to do.</p>;
  return (
    <ul class="failures">
      {groups.map(({ rule, devices, means, remedy }) => (
        <li key={rule}>
          <a href={linkTo('failures', { rule })}>
            <b class="badge">{number(devices)}</b> <span class="unseen">{several(devices, 'device')}: </span>
            <code>{rule}</code>
          </a>
          <p>{means}</p>
          <p class="remedy">{remedy}</p>
        </li>
      ))}
    </ul>
  );
}
