import type { LiveOrder } from '@zerotouch/fleet-sim/live/shapes';
import { useState } from 'preact/hooks';
import { CallError, type Client } from '../client.js';

/** Pause and resume; power cuts of a share, or of a region. */
export function Controls({ client, regions, isPaused }: { client: Client; regions: readonly string[]; isPaused: boolean }) {
  const [percent, setPercent] = useState('10');
  const [seconds, setSeconds] = useState('10');
  const [region, setRegion] = useState(regions[0] ?? '');
  const [said, setSaid] = useState('');
  const order = (wanted: LiveOrder, done: string) => async (): Promise<void> => {
    try {
      await client.send('POST', 'orders', wanted);
      setSaid(done);
    } catch (error) {
      setSaid(error instanceof CallError ? error.message : String(error));
    }
  };
  const forSeconds = Number(seconds);
  return (
    <div class="steer">
      {isPaused ? (
        <button type="button" onClick={order({ order: 'resume' }, 'Resumed.')}>
          Resume
        </button>
      ) : (
        <button type="button" onClick={order({ order: 'pause' }, 'Paused: no more devices are powered on.')}>
          Pause
        </button>
      )}
      <Count name="Outages last, seconds" value={seconds} set={setSeconds} />
      <fieldset>
        <Count name="Devices in 100" value={percent} set={setPercent} />
        <button
          type="button"
          onClick={order(
            { order: 'cut', share: Number(percent) / 100, seconds: forSeconds },
            `Power is cut for ${percent} in 100 devices, ${seconds} seconds.`,
          )}
        >
          Cut their power
        </button>
      </fieldset>
      {regions.length > 0 && (
        <fieldset>
          <label>
            Region{' '}
            <select value={region} onChange={({ currentTarget }) => setRegion(currentTarget.value)}>
              {regions.map((name) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
          <button type="button" onClick={order({ order: 'region', region, seconds: forSeconds }, `${region} is down.`)}>
            Bring region down
          </button>
        </fieldset>
      )}
      <p role="status">{said}</p>
    </div>
  );
}

function Count({ name, value, set }: { name: string; value: string; set: (value: string) => void }) {
  return (
    <label>
      {name} <input type="number" min="1" value={value} onInput={({ currentTarget }) => set(currentTarget.value)} />
    </label>
  );
}
