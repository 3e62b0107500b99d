import type { Segment } from '@zerotouch/flash-image/intel-hex';

/** A piece of flash that becomes a file of its own. */
export interface Part extends Segment {
  /** As the partition table calls it: any printable characters. */
  readonly name: string;
}

/** What a shell, `esptool` reading its argument file and every file system take as it is. */
const PLAIN = /^[A-Za-z0-9_][A-Za-z0-9._-]*$/;

/**
 * A file for each part, in their order: called as the part wherever that is possible. Other characters become `_`, so that no partition table
 * can name a file of another folder; a name that is taken, in whatever case, gets the offset behind it.
 */
export function partFiles(parts: readonly Part[], taken: readonly string[] = []): (Part & { file: string })[] {
  const used = new Set(taken.map((name) => name.toLowerCase()));
  return parts.map((part) => {
    let stem = PLAIN.test(part.name) ? part.name : part.name.replace(/[^A-Za-z0-9._-]/g, '_').replace(/^[.-]+/, '_');
    while (used.has(`${stem}.bin`.toLowerCase())) stem += `-0x${part.offset.toString(16)}`;
    used.add(`${stem}.bin`.toLowerCase());
    return { ...part, file: `${stem}.bin` };
  });
}
