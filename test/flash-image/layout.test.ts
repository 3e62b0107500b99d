import { checkLayout, defaultLayout, type Layout, type Partition } from '@zerotouch/flash-image/layout';
import { decodePartitionTable, encodePartitionTable } from '@zerotouch/flash-image/partition-table';
import fc from 'fast-check';
import t from 'tap';

const data: Partition = { name: 'data', type: 1, subtype: 0x82, offset: 0x9000, size: 0x1000, encrypted: false, readOnly: false };
const layoutOf = (...partitions: Partition[]): Layout => ({ flashSize: 0x400000, partitions });

t.test('the default layout is sound', async (t) => {
  t.doesNotThrow(() => checkLayout(defaultLayout));
});

for (const [what, code, ...partitions] of [
  ['a name of 17 characters', 'LAYOUT_NAME', { ...data, name: 'seventeen-letters' }],
  ['an empty name', 'LAYOUT_NAME', { ...data, name: '' }],
  ['one name twice', 'LAYOUT_NAME', data, { ...data, offset: 0xa000 }],
  ['data off the sector grid', 'LAYOUT_ALIGNMENT', { ...data, offset: 0x9800 }],
  ['an app off the 64 KiB grid', 'LAYOUT_ALIGNMENT', { ...data, type: 0, offset: 0x18000 }],
  ['a partition over the table', 'LAYOUT_BOUNDS', { ...data, offset: 0x8000 }],
  ['a partition beyond the flash', 'LAYOUT_BOUNDS', { ...data, offset: 0x3ff000, size: 0x2000 }],
  ['an empty partition', 'LAYOUT_SIZE', { ...data, size: 0 }],
  ['a writable NVS of two pages', 'LAYOUT_SIZE', { ...data, subtype: 2, size: 0x2000 }],
  ['two that overlap', 'LAYOUT_OVERLAP', { ...data, size: 0x2000 }, { ...data, name: 'next', offset: 0xa000 }],
] as const) {
  t.test(`${what} is refused`, async (t) => {
    t.throws(() => checkLayout(layoutOf(...partitions)), { code, where: /^layout, partition .*, offset 0x/, expected: String });
  });
}

t.test('a read-only NVS may be of two pages', async (t) => {
  t.doesNotThrow(() => checkLayout(layoutOf({ ...data, subtype: 2, size: 0x2000, readOnly: true })));
});

t.test('more partitions than the table holds are refused', async (t) => {
  const many = (count: number): Layout =>
    layoutOf(...Array.from({ length: count }, (_, index) => ({ ...data, name: `p${index}`, offset: 0x9000 + index * 0x1000 })));
  t.equal(decodePartitionTable(encodePartitionTable(many(94))).partitions.length, 94);
  t.throws(() => encodePartitionTable(many(95)), { code: 'LAYOUT_BOUNDS' });
});

t.test('a table that says what no device could mount is refused', async (t) => {
  const table = encodePartitionTable(layoutOf({ ...data, size: 0x2000 }, { ...data, name: 'next', offset: 0xb000 }));
  t.throws(() => decodePartitionTable(table, { flashSize: 0xb000 }), { code: 'LAYOUT_BOUNDS' });
  t.throws(() => decodePartitionTable(table.subarray(0, 100)), { code: 'IMAGE_SHORT' });
});

t.test('a layout gets through its table', async () => {
  const shape = fc.record({
    type: fc.integer({ min: 1, max: 0xfe }),
    subtype: fc.integer({ min: 3, max: 0xfe }),
    sectors: fc.integer({ min: 1, max: 16 }),
    gap: fc.integer({ min: 0, max: 3 }),
    encrypted: fc.boolean(),
    readOnly: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(shape, { minLength: 1, maxLength: 40 }), (shapes) => {
      let offset = 0x9000;
      const partitions = shapes.map(({ sectors, gap, ...rest }, index): Partition => {
        const partition = { ...rest, name: `part-${index}`, offset: offset + gap * 0x1000, size: sectors * 0x1000 };
        offset = partition.offset + partition.size;
        return partition;
      });
      const layout = { flashSize: 0x400000, partitions };
      const decoded = decodePartitionTable(encodePartitionTable(layout), { flashSize: 0x400000 });
      return JSON.stringify(decoded.partitions.map(canonical)) === JSON.stringify(partitions.map(canonical));
    }),
  );
});

const canonical = ({ name, type, subtype, offset, size, encrypted, readOnly }: Partition): unknown[] => [
  name,
  type,
  subtype,
  offset,
  size,
  encrypted,
  readOnly,
];
