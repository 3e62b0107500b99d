import { readFileSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Clock } from '@zerotouch/foundation/clock';

/** How long a file must have rested before it is read: editors write in several steps, milliseconds. */
const REST_MS = 500;

/**
 * Calls back when a file says something else than before, however it is replaced; its folder is watched, since an editor puts a new file in place of the
 * old one. Ends with the signal. A folder that cannot be watched is told to `failed`.
 */
export function watchFile(file: string, clock: Clock, signal: AbortSignal, changed: () => void, failed: (error: Error) => void): void {
  let last = textOf(file);
  let resting = new AbortController();
  const look = (): void => {
    const text = textOf(file);
    if (text === undefined || text === last) return;
    last = text;
    changed();
  };
  try {
    watch(dirname(file), { persistent: false, signal }, (_, name) => {
      if (name !== null && name !== basename(file)) return;
      resting.abort();
      resting = new AbortController();
      clock.wait(REST_MS, AbortSignal.any([resting.signal, signal])).then(look, () => undefined);
    }).on('error', failed);
  } catch (error) {
    failed(error as Error);
  }
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
