import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { tokenLabel } from '../authority-folder.js';
import { type AuthorityLevel, authorityStem } from '../authority-levels.js';
import type { Custody } from '../custody.js';
import { type Files, MODE } from '../files.js';

/** Name of the folder, in that of the authority, of CAs that were given up: whoever looks into a leak needs them. */
export const REPLACED_FOLDER = 'replaced';

/** A CA of a folder: its level, and the name of its files without extension. */
export interface KeptCa {
  /** `undefined`: whoever signs manifests. */
  level: AuthorityLevel | undefined;
  stem: string;
}

/**
 * Moves those of the CAs aside that have one of the fingerprints, certificate and key; what an interrupted run has moved already stays moved. A key
 * in a token gets another label.
 */
export async function moveAside(
  directory: string,
  cas: readonly KeptCa[],
  fingerprints: readonly string[],
  files: Files,
  custody: (level: AuthorityLevel) => Custody,
): Promise<void> {
  const folder = join(directory, REPLACED_FOLDER);
  const gone = (certificate: X509Certificate | undefined): boolean =>
    certificate !== undefined && fingerprints.includes(certificate.fingerprint256);
  const read = async (path: string): Promise<X509Certificate | undefined> => {
    const pem = await files.read(path);
    return pem === undefined ? undefined : new X509Certificate(pem);
  };
  for (const { level, stem } of cas) {
    const [pem, key] = [join(directory, `${stem}.pem`), join(directory, `${stem}.key`)];
    const certificate = await read(pem);
    // Whoever signs manifests goes with the root, which is moved after it.
    const judged = level === undefined ? await read(join(directory, `${authorityStem('root', '', '')}.pem`)) : certificate;
    if (certificate === undefined || !gone(judged)) continue;
    await files.makeFolder(folder, MODE.folder);
    const name = `${stem}-${certificate.fingerprint256.replaceAll(':', '').slice(0, 16)}`;
    const token = level === undefined ? undefined : custody(level).token;
    token?.rename(tokenLabel(stem), tokenLabel(name));
    // The key first: a certificate alone still tells which CA it was.
    if ((await files.read(key)) !== undefined) await files.rename(key, join(folder, `${name}.key`));
    await files.rename(pem, join(folder, `${name}.pem`));
    await files.sync(folder);
    await files.sync(directory);
  }
}
