import { hex, ImageFault } from './faults.js';

/** @throws ImageFault STORAGE_RANGE for an access that is not wholly within `size` bytes */
export function checkRange(where: string, size: number, offset: number, length: number): void {
  if (Number.isInteger(offset) && Number.isInteger(length) && offset >= 0 && length >= 0 && offset + length <= size) return;
  throw new ImageFault('STORAGE_RANGE', `${length} bytes at offset ${hex(offset)} lie outside`, {
    where,
    expected: `an access within ${hex(size)} bytes`,
  });
}

/** What `act` returns; an error of the file system becomes an {@link ImageFault} `STORAGE_IO` with its code. */
export function attempt<T>(path: string, verb: string, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    throw new ImageFault('STORAGE_IO', `cannot ${verb} the file${code === undefined ? '' : ` (${code})`}`, { where: path, cause });
  }
}
