import type { AttemptView } from '@zerotouch/cloud-sim/web/shapes';
import { clockTime, shortHost } from '../format.js';

/** What went over the wire, as a device's log shows it. */
function answer({ wire }: AttemptView): string {
  if ('connack' in wire) return `CONNACK ${wire.connack}`;
  return wire.errorCode === undefined ? String(wire.status) : `${wire.status}, ${wire.errorCode}`;
}

/** The real reason of one answer. */
export function Why({ attempt }: { attempt: AttemptView }) {
  const { at, service, host, transport, reason, means } = attempt;
  const facts: [string, string | undefined][] = [
    ['seen', reason.seen],
    ['expected', reason.expected],
    ['nearest', reason.nearest],
  ];
  return (
    <div class="why">
      <p class="text">{reason.text}</p>
      {reason.remedy !== undefined && (
        <p class="remedy">
          <b>What to do:</b> {reason.remedy}
        </p>
      )}
      <dl>
        {facts.map(
          ([name, value]) =>
            value !== undefined && (
              <div key={name}>
                <dt>{name}</dt>
                <dd>
                  <code>{value}</code>
                </dd>
              </div>
            ),
        )}
        {reason.skipped?.map((hub) => (
          <div key={hub.host}>
            <dt>{shortHost(hub.host)}</dt>
            <dd>{hub.text}</dd>
          </div>
        ))}
      </dl>
      <p class="quiet">
        {clockTime(at)} {service === 'dps' ? 'DPS' : shortHost(host)} over {transport}, answered {answer(attempt)}; rule{' '}
        <code title={means}>{reason.rule}</code>
      </p>
    </div>
  );
}
