import { join } from 'node:path';
import { ENROLMENT_FILE } from '@zerotouch/azure-wire/enrolment';
import { isFault } from '@zerotouch/foundation/fault';
import { ManufacturingFault } from './faults.js';
import { type Files, MODE } from './files.js';
import { LEDGER_FILE } from './ledger/ledger.js';
import { MANIFEST_FILE } from './manifest.js';

/** Name of the folder of images in the folder of a batch. */
export const IMAGE_FOLDER = 'images';

/** Where a device's image lies, relative to the folder of the batch. No registration id holds a `%`, so no two share a name. */
export function imageName(registrationId: string): string {
  return `${IMAGE_FOLDER}/${registrationId.replaceAll(':', '%3A')}.bin`;
}

/**
 * Makes sure that no batch is written over another; writes nothing.
 * @throws ManufacturingFault OUT_OCCUPIED, OUT_UNUSABLE
 */
export async function refuseOccupied(files: Files, out: string): Promise<void> {
  const listed = await usable(out, () => Promise.all([files.list(out), files.list(join(out, IMAGE_FOLDER))]));
  const [names = [], images = []] = listed;
  const found = [MANIFEST_FILE, ENROLMENT_FILE, LEDGER_FILE].find((name) => names.includes(name));
  if (found === undefined && images.length === 0) return;
  throw new ManufacturingFault('OUT_OCCUPIED', 'the folder already holds a batch', {
    where: out,
    seen: found ?? `${images.length} file(s) in ${IMAGE_FOLDER}/`,
    expected: 'a new or empty folder',
    remedy: 'burn into another folder, or move this one away; --resume goes on with the batch that was begun here',
  });
}

/**
 * Makes sure that no batch is in a folder whose ledger knows of none; writes nothing.
 * @throws ManufacturingFault OUT_OCCUPIED, OUT_UNUSABLE
 */
export async function refuseUnknown(files: Files, out: string): Promise<void> {
  const names = (await usable(out, () => files.list(out))) ?? [];
  const found = [MANIFEST_FILE, ENROLMENT_FILE].find((name) => names.includes(name));
  if (found === undefined) return;
  throw new ManufacturingFault('OUT_OCCUPIED', 'the folder holds a batch that the ledger does not know', {
    where: out,
    seen: found,
    expected: 'a new or empty folder, or the ledger the batch was begun with',
    remedy: 'name that ledger with --ledger, or burn into another folder',
  });
}

/**
 * Makes the folder of a batch and that of its images, 0700.
 * @throws ManufacturingFault OUT_UNUSABLE
 */
export async function prepareOut(files: Files, out: string): Promise<void> {
  await usable(out, async () => {
    await files.makeFolder(out, MODE.folder);
    await files.makeFolder(join(out, IMAGE_FOLDER), MODE.folder);
    await files.sync(out);
  });
}

/** Runs file operations; what the system refuses becomes an OUT_UNUSABLE that names the place. */
export async function usable<T>(where: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (isFault(cause) && !('syscall' in cause)) throw cause;
    const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new ManufacturingFault('OUT_UNUSABLE', 'the system refused to read or write here', {
      where,
      seen: code,
      expected: 'a folder that can be written, with space left',
      cause,
    });
  }
}
