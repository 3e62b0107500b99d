import { useRef, useState } from 'preact/hooks';
import { CallError } from '../client.js';
import { useGround } from '../context.js';
import { Json } from './json.js';

/** What a device answered to a direct method. */
interface MethodAnswer {
  status: number;
  payload: unknown;
}

/** Calls a direct method of a device and shows what it answers. */
export function MethodForm({ host, deviceId, isConnected }: { host: string; deviceId: string; isConnected: boolean }) {
  const { client } = useGround();
  const name = useRef<HTMLInputElement>(null);
  const payload = useRef<HTMLTextAreaElement>(null);
  const [told, setTold] = useState<{ tone: 'good' | 'bad' | 'busy'; text: string; payload?: unknown }>();
  const id = `method-${host}`;
  const call = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (told?.tone === 'busy') return;
    const text = payload.current?.value.trim() ?? '';
    let given: unknown = null;
    try {
      if (text !== '') given = JSON.parse(text);
    } catch (error) {
      return setTold({ tone: 'bad', text: `The payload is no JSON: ${(error as Error).message}` });
    }
    setTold({ tone: 'busy', text: 'Waiting for the device…' });
    try {
      const path = `hubs/${encodeURIComponent(host)}/devices/${encodeURIComponent(deviceId)}/methods`;
      const answer = await client.send<MethodAnswer>('POST', path, { name: name.current?.value, payload: given });
      setTold({
        tone: answer.status < 400 ? 'good' : 'bad',
        text: `Status ${answer.status}`,
        payload: answer.payload,
      });
    } catch (error) {
      setTold({ tone: 'bad', text: error instanceof CallError ? error.message : String(error) });
    }
  };
  return (
    <section class="card" aria-labelledby={id}>
      <h2 id={id}>Call a method</h2>
      <form onSubmit={call}>
        <label class="block">
          <span>Method</span>
          <input ref={name} required maxLength={100} spellcheck={false} autocomplete="off" placeholder="restart" />
        </label>
        <label class="block">
          <span>
            Payload <small>JSON, or nothing</small>
          </span>
          <textarea ref={payload} rows={3} spellcheck={false} />
        </label>
        <div class="tools">
          <button type="submit" class="main">
            Call
          </button>
          <span role="status" class={told?.tone === 'bad' ? 'error' : 'quiet'}>
            {told?.text ?? (isConnected ? '' : 'The device is not connected.')}
          </span>
        </div>
        {told?.payload !== undefined && <Json label="Answer" value={told.payload} />}
      </form>
    </section>
  );
}
