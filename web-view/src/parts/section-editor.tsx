import type { HubTwin } from '@zerotouch/cloud-sim/api/hub-service';
import { useEffect, useState } from 'preact/hooks';
import { CallError } from '../client.js';
import { useGround } from '../context.js';
import { patchBetween } from '../patch.js';
import { withoutService } from '../section.js';

/** What of a twin an operator may change. */
type Section = 'desired' | 'tags';

const NAMES: Record<Section, string> = { desired: 'Desired properties', tags: 'Tags' };

function textOf(twin: HubTwin, section: Section): string {
  return JSON.stringify(withoutService(section === 'tags' ? twin.tags : twin.properties.desired), null, 2);
}

/** A section of a twin as text to edit. What others change meanwhile does not touch what is being typed; saving over it is refused. */
export function SectionEditor({ host, twin, section, changed }: { host: string; twin: HubTwin; section: Section; changed(): void }) {
  const { client } = useGround();
  const [draft, setDraft] = useState(() => draftOf(twin, section));
  const [told, setTold] = useState<{ tone: 'good' | 'bad'; text: string }>();
  const isChanged = draft.text !== draft.base;
  useEffect(() => {
    if (!isChanged) setDraft(draftOf(twin, section));
  }, [twin, section, isChanged]);
  const isStale = isChanged && textOf(twin, section) !== draft.base;

  const save = async (event: Event): Promise<void> => {
    event.preventDefault();
    const parsed = parse(draft.text, NAMES[section]);
    if ('problem' in parsed) return setTold({ tone: 'bad', text: parsed.problem });
    const patch = patchBetween(JSON.parse(draft.base), parsed.value);
    if (Object.keys(patch).length === 0) return setTold({ tone: 'good', text: 'Nothing has changed.' });
    try {
      const path = `hubs/${encodeURIComponent(host)}/devices/${encodeURIComponent(twin.deviceId)}/twin`;
      const saved = await client.send<HubTwin>('PATCH', path, { [section]: patch, etag: isStale ? draft.etag : twin.etag });
      setDraft(draftOf(saved, section));
      setTold({ tone: 'good', text: section === 'tags' ? 'Saved.' : `Saved as version ${saved.properties.desired.$version}.` });
      changed();
    } catch (error) {
      setTold({ tone: 'bad', text: error instanceof CallError ? error.message : String(error) });
    }
  };
  const reset = (): void => {
    setDraft(draftOf(twin, section));
    setTold(undefined);
  };
  return (
    <form onSubmit={save}>
      <label class="block">
        <span>
          {NAMES[section]} {section === 'desired' && <small>version {twin.properties.desired.$version}</small>}
        </span>
        <textarea
          rows={Math.min(24, draft.text.split('\n').length + 1)}
          spellcheck={false}
          value={draft.text}
          onInput={({ currentTarget }) => setDraft({ ...draft, text: currentTarget.value })}
        />
      </label>
      {isStale && <p class="error">Somebody else changed this meanwhile: take back your changes to see it.</p>}
      <div class="tools">
        <button type="submit" class="main" aria-label={`Save ${NAMES[section].toLowerCase()}`}>
          Save
        </button>
        <button type="button" aria-disabled={!isChanged} onClick={reset}>
          Take back
        </button>
        <span role="status" class={told?.tone === 'bad' ? 'error' : 'quiet'}>
          {told?.text}
        </span>
      </div>
    </form>
  );
}

function draftOf(twin: HubTwin, section: Section): { base: string; text: string; etag: string } {
  const text = textOf(twin, section);
  return { base: text, text, etag: twin.etag };
}

function parse(text: string, name: string): { value: Record<string, unknown> } | { problem: string } {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { value: value as Record<string, unknown> };
    return { problem: `${name} are one JSON object.` };
  } catch (error) {
    return { problem: `This is no JSON: ${(error as Error).message}` };
  }
}
