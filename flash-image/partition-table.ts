import { createHash } from 'node:crypto';
import { hex, ImageFault, locate } from './faults.js';
import { checkLayout, defaultLayout, type Layout, type Partition, TABLE_OFFSET } from './layout.js';

/** Bytes of an encoded table. Source: esp-idf, gen_esp32part. */
export const TABLE_SIZE = 0xc00;
const ENTRY_SIZE = 32;
/** The MD5 takes an entry of its own, and one must stay FF to end the list. */
const MOST_ENTRIES = TABLE_SIZE / ENTRY_SIZE - 2;
const ENTRY_MAGIC = 0x50aa;
const MD5_HEAD = Buffer.alloc(16, 0xff).fill(0xeb, 0, 2);
const ERASED = Buffer.alloc(TABLE_SIZE, 0xff);
const ENCRYPTED = 1;
const READ_ONLY = 2;
const place = { partition: 'table', offset: TABLE_OFFSET };

/** The table as flashed at {@link TABLE_OFFSET}: entries, their MD5, FF to the end. The layout is checked first. */
export function encodePartitionTable(layout: Layout): Buffer {
  checkLayout(layout);
  if (layout.partitions.length > MOST_ENTRIES) {
    throw new ImageFault('LAYOUT_BOUNDS', 'the partition table is full', {
      where: 'layout',
      seen: layout.partitions.length,
      expected: `at most ${MOST_ENTRIES} partitions`,
    });
  }
  const table = Buffer.from(ERASED);
  let end = 0;
  for (const partition of layout.partitions) {
    writeEntry(table, end, partition);
    end += ENTRY_SIZE;
  }
  MD5_HEAD.copy(table, end);
  md5(table.subarray(0, end)).copy(table, end + MD5_HEAD.length);
  return table;
}

/**
 * The layout that a table tells, checked by its MD5 and by the rules of {@link checkLayout}.
 * The table does not know the chip: without `flashSize` it is 4 MiB, or the power of two that the partitions need.
 */
export function decodePartitionTable(bytes: Uint8Array, { flashSize }: { flashSize?: number } = {}): Layout {
  const table = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // Images of a batch have one table.
  if (latest !== undefined && latest.flashSize === flashSize && table.equals(latest.table)) return latest.layout;
  const layout = readTable(table, flashSize);
  latest = { table: Buffer.from(table), flashSize, layout };
  return layout;
}

let latest: { readonly table: Buffer; readonly flashSize: number | undefined; readonly layout: Layout } | undefined;

function readTable(table: Buffer, flashSize: number | undefined): Layout {
  if (table.length < TABLE_SIZE) {
    throw new ImageFault('IMAGE_SHORT', 'the partition table is cut off', {
      where: locate(place),
      seen: `${table.length} bytes`,
      expected: `${TABLE_SIZE} bytes`,
    });
  }
  if (table.equals(ERASED)) {
    throw new ImageFault('IMAGE_EMPTY', 'there is no partition table: the flash is erased here', {
      where: locate(place),
      expected: 'entries that start with AA 50',
    });
  }
  const partitions: Partition[] = [];
  let offset = 0;
  while (offset <= MOST_ENTRIES * ENTRY_SIZE && table.readUInt16LE(offset) === ENTRY_MAGIC) {
    partitions.push(readEntry(table, offset));
    offset += ENTRY_SIZE;
  }
  checkEnd(table, offset);
  const layout = { partitions, flashSize: flashSize ?? sizeFor(partitions) };
  checkLayout(layout);
  return layout;
}

function writeEntry(table: Buffer, offset: number, partition: Partition): void {
  table.writeUInt16LE(ENTRY_MAGIC, offset);
  table.writeUInt8(partition.type, offset + 2);
  table.writeUInt8(partition.subtype, offset + 3);
  table.writeUInt32LE(partition.offset, offset + 4);
  table.writeUInt32LE(partition.size, offset + 8);
  table.fill(0, offset + 12, offset + 28);
  table.write(partition.name, offset + 12, 'latin1');
  table.writeUInt32LE((partition.encrypted ? ENCRYPTED : 0) | (partition.readOnly ? READ_ONLY : 0), offset + 28);
}

function readEntry(table: Buffer, offset: number): Partition {
  const flags = table.readUInt32LE(offset + 28);
  const name = table.toString('latin1', offset + 12, offset + 28).replace(/\0+$/, '');
  return {
    name,
    type: table.readUInt8(offset + 2),
    subtype: table.readUInt8(offset + 3),
    offset: table.readUInt32LE(offset + 4),
    size: table.readUInt32LE(offset + 8),
    encrypted: (flags & ENCRYPTED) !== 0,
    readOnly: (flags & READ_ONLY) !== 0,
  };
}

function checkEnd(table: Buffer, end: number): void {
  const head = table.subarray(end, end + MD5_HEAD.length);
  if (!head.equals(MD5_HEAD)) {
    throw new ImageFault(
      end === 0 ? 'IMAGE_FOREIGN' : 'TABLE_ENTRY',
      end === 0 ? 'this is not a partition table' : 'the list of partitions breaks off',
      {
        where: locate(place, end),
        seen: head.subarray(0, 2).toString('hex'),
        expected: 'aa50 (an entry) or ebeb (the MD5 that ends the list)',
      },
    );
  }
  const after = end + ENTRY_SIZE;
  if (!md5(table.subarray(0, end)).equals(table.subarray(end + MD5_HEAD.length, after))) {
    throw new ImageFault('TABLE_MD5', 'the entries do not match their MD5', {
      where: locate(place, end + MD5_HEAD.length),
      expected: 'the MD5 of all entries before it',
      remedy: 'the table was changed or damaged: burn the image again',
    });
  }
  if (!table.subarray(after).equals(ERASED.subarray(after))) {
    throw new ImageFault('TABLE_ENTRY', 'there are bytes after the MD5 entry', {
      where: locate(place, after),
      expected: `FF up to ${hex(TABLE_OFFSET + TABLE_SIZE)}`,
    });
  }
}

function sizeFor(partitions: readonly Partition[]): number {
  const end = partitions.reduce((most, { offset, size }) => Math.max(most, offset + size), defaultLayout.flashSize);
  return 2 ** Math.ceil(Math.log2(end));
}

function md5(bytes: Uint8Array): Buffer {
  return createHash('md5').update(bytes).digest();
}
