import type { AttemptView } from '@zerotouch/cloud-sim/web/shapes';
import { clockTime, shortHost } from '../format.js';
import { Why } from './why.js';

/** A device's attempts, newest first; each refusal opens to its reason. */
export function Attempts({ attempts }: { attempts: readonly AttemptView[] }) {
  if (attempts.length === 0) return <p class="quiet">It has not tried anything at this cloud.</p>;
  return (
    <ol class="attempts">
      {[...attempts].reverse().map((attempt, index) => {
        const isRefusal = attempt.outcome === 'refused' || attempt.outcome === 'failed';
        const where = attempt.service === 'dps' ? 'DPS' : shortHost(attempt.host);
        return (
          <li key={attempts.length - index} class={isRefusal ? 'refused' : 'passed'}>
            <details>
              <summary>
                <time>{clockTime(attempt.at)}</time> <b>{attempt.outcome.replace('-', ' ')}</b> at {where} over {attempt.transport}
              </summary>
              <Why attempt={attempt} />
            </details>
          </li>
        );
      })}
    </ol>
  );
}
