import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { Fault } from '@zerotouch/foundation/fault';
import type { CloudState } from './state-file.js';

/** How the DPS service API of a running local cloud is reached. */
export interface LocalService {
  /** A secret. */
  connectionString: string;
  idScope: string;
  /** PEM of the CA to trust. */
  ca: string;
}

/**
 * Reads where the local cloud's service API is from the file that `zerotouch cloud` wrote.
 * @param remedy what its user can do when there is none
 * @throws Fault NO_LOCAL_CLOUD
 */
export async function localService(path: string, remedy: string): Promise<LocalService> {
  const refuse = (summary: string): never => {
    throw new Fault('NO_LOCAL_CLOUD', summary, { where: path, remedy });
  };
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => refuse(`there is no local cloud (${error.code})`));
  let state: CloudState | undefined;
  try {
    state = JSON.parse(text) as CloudState;
  } catch {
    // Told below. The parser's own message quotes the text, and the text holds keys.
  }
  const { serviceConnectionString: connectionString, idScope } = state?.dps ?? {};
  if (typeof connectionString !== 'string' || typeof idScope !== 'string' || typeof state?.ca !== 'string') {
    return refuse('the file does not say how the DPS service API is reached');
  }
  const ca = await readFile(resolve(dirname(path), state.ca), 'utf8').catch(() => refuse('its CA certificate cannot be read'));
  return { connectionString, idScope, ca };
}
