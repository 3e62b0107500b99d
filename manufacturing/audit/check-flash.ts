import { hash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { defaultLayout, keyedLayout, type Layout, TABLE_OFFSET } from '@zerotouch/flash-image/layout';
import { TABLE_SIZE } from '@zerotouch/flash-image/partition-table';
import type { AuditContext } from './context.js';
import type { Tell } from './findings.js';
import type { Company } from './image-audit.js';
import { type ImageFacts, isErased } from './image-facts.js';

/** Which layout an image must have: that of the spec, else that of the manifest, else one of ours. */
type ExpectedLayout = Pick<Company, 'layout' | 'partitionTable'>;

/** What is wrong with the file and the flash in it, whatever it says. */
export function checkFlash(facts: ImageFacts, { life }: AuditContext, expected: ExpectedLayout, tell: Tell): void {
  const { file, layout, fielded } = facts;
  checkMode(file.mode, file.path, tell);
  if (!isExpected(facts, expected)) {
    tell(
      'LAYOUT_FOREIGN',
      'partition table',
      layout.partitions.map(({ name, offset }) => `${name} at 0x${offset.toString(16)}`).join(', '),
    );
  }
  if (fielded && life !== 'fielded') tell('IMAGE_FIELDED', 'partition nvs', undefined, life === 'shipped' ? 'error' : 'warning');
  const stray = strayOffset(file.bytes, layout);
  if (stray !== undefined) tell('STRAY_BYTES', `offset 0x${stray.toString(16)}`);
}

function isExpected({ file, layout }: ImageFacts, { layout: told, partitionTable }: ExpectedLayout): boolean {
  if (told === undefined && partitionTable !== undefined)
    return hash('sha256', file.bytes.subarray(TABLE_OFFSET, TABLE_OFFSET + TABLE_SIZE)) === partitionTable;
  const layouts = told === undefined ? [defaultLayout, keyedLayout] : [told];
  return layouts.some(({ partitions }) => isDeepStrictEqual(partitions, layout.partitions));
}

/** A file that holds secrets is its owner's alone. */
export function checkMode(mode: number, where: string, tell: Tell): void {
  if ((mode & 0o077) !== 0) tell('FILE_EXPOSED', where, `mode ${(mode & 0o777).toString(8)}`);
}

// What lies before the table belongs to the bootloader, which an image may carry or leave out.
function strayOffset(bytes: Buffer, { partitions }: Layout): number | undefined {
  let from = TABLE_OFFSET + TABLE_SIZE;
  const inOrder = [...partitions].sort((a, b) => a.offset - b.offset);
  for (const { offset, size } of [...inOrder, { offset: bytes.length, size: 0 }]) {
    const gap = bytes.subarray(from, Math.min(offset, bytes.length));
    if (!isErased(gap)) return from + gap.findIndex((byte) => byte !== 0xff);
    from = Math.max(from, offset + size);
  }
  return undefined;
}
