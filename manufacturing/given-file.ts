import type { Files } from './files.js';
import { InputFault, type InputFaultCode } from './input-faults.js';

/**
 * Reads a file that a spec names.
 * @returns `undefined` where there is none
 * @throws InputFault of this code where the system refuses: a folder, a file of somebody else
 */
export async function readGivenFile(
  files: Pick<Files, 'read'>,
  path: string,
  code: InputFaultCode,
  expected: string,
): Promise<Buffer | undefined> {
  return files.read(path).catch((cause: unknown) => {
    if (!(cause instanceof Error) || !('syscall' in cause)) throw cause;
    throw new InputFault(code, 'the file cannot be read', {
      where: path,
      seen: (cause as NodeJS.ErrnoException).code,
      expected: `${expected}, in a file that may be read`,
      cause,
    });
  });
}
