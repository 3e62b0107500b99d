import { createHash } from 'node:crypto';
import { defaultLayout } from '@zerotouch/flash-image/layout';
import { decodePartitionTable, encodePartitionTable } from '@zerotouch/flash-image/partition-table';
import { parsePartitionCsv } from '@zerotouch/manufacturing/partition-csv';
import fc from 'fast-check';
import t from 'tap';
import { golden } from '../flash-image/support/golden.js';

const target = { chip: 'esp32c3', flashSize: 0x400000, fileName: 'partitions.csv' } as const;
const read = (...lines: string[]) => parsePartitionCsv(lines.join('\n'), target);
const places = (...lines: string[]) => read(...lines).partitions.map(({ name, offset, size }) => [name, offset, size]);

t.test('the table of the golden CSV is the golden one', async (t) => {
  const layout = parsePartitionCsv(golden('partitions.csv').toString(), target);
  t.ok(encodePartitionTable(layout).equals(golden('partitions.bin')));
});

/** A table as esp-idf's documents describe it, put together here byte by byte. */
function table(...entries: [name: string, type: number, subtype: number, offset: number, size: number, flags?: number][]): Buffer {
  const body = Buffer.concat(
    entries.map(([name, type, subtype, offset, size, flags = 0]) => {
      const entry = Buffer.alloc(32);
      entry.set([0xaa, 0x50, type, subtype]);
      entry.writeUInt32LE(offset, 4);
      entry.writeUInt32LE(size, 8);
      entry.write(name, 12);
      entry.writeUInt32LE(flags, 28);
      return entry;
    }),
  );
  const end = Buffer.alloc(16, 0xff);
  end.set([0xeb, 0xeb]);
  const whole = Buffer.concat([body, end, createHash('md5').update(body).digest()]);
  return Buffer.concat([whole, Buffer.alloc(0xc00 - whole.length, 0xff)]);
}

t.test('the tables that esp-idf ships come out as the tool lays them', async (t) => {
  const singleapp = read(
    '# ESP-IDF Partition Table',
    '# Name,   Type, SubType, Offset,  Size, Flags',
    'nvs,      data, nvs,     ,        0x6000,',
    'phy_init, data, phy,     ,        0x1000,',
    'factory,  app,  factory, ,        1M,',
  );
  t.ok(
    encodePartitionTable(singleapp).equals(
      table(['nvs', 1, 2, 0x9000, 0x6000], ['phy_init', 1, 1, 0xf000, 0x1000], ['factory', 0, 0, 0x10000, 0x100000]),
    ),
  );
  const twoOta = read(
    'nvs,data,nvs,,0x4000',
    'otadata,data,ota,,0x2000',
    'phy_init,data,phy,,0x1000',
    'factory,app,factory,,1M',
    'ota_0,app,ota_0,,1M',
    'ota_1,app,ota_1,,1M',
  );
  t.ok(
    encodePartitionTable(twoOta).equals(
      table(
        ['nvs', 1, 2, 0x9000, 0x4000],
        ['otadata', 1, 0, 0xd000, 0x2000],
        ['phy_init', 1, 1, 0xf000, 0x1000],
        ['factory', 0, 0, 0x10000, 0x100000],
        ['ota_0', 0, 0x10, 0x110000, 0x100000],
        ['ota_1', 0, 0x11, 0x210000, 0x100000],
      ),
    ),
  );
  const custom = read(
    'custom,0x40,0x07,,64K,encrypted',
    'cert,0x3F,,,8k,readonly:encrypted',
    'test,APP,Test,,128K',
    'ota_15,app,ota_15,,64K',
    'log,data,littlefs,,1000',
  );
  t.ok(
    encodePartitionTable(custom).equals(
      table(
        ['custom', 0x40, 7, 0x9000, 0x10000, 1],
        ['cert', 0x3f, 6, 0x19000, 0x2000, 3],
        ['test', 0, 0x20, 0x20000, 0x20000],
        ['ota_15', 0, 0x1f, 0x40000, 0x10000],
        ['log', 1, 0x83, 0x50000, 1000],
      ),
    ),
  );
});

t.test('what is left out is filled in', async (t) => {
  t.same(places('a,data,spiffs,,0x1800', 'b,data,fat,,4K', 'c,app,ota_0,,64K', 'd,data,nvs,0x30000,12K'), [
    ['a', 0x9000, 0x1800],
    ['b', 0xb000, 0x1000],
    ['c', 0x10000, 0x10000],
    ['d', 0x30000, 0x3000],
  ]);
  t.same(places('a,data,spiffs,0x10000,-0x20000', 'b,data,fat,,0b1000000000000'), [
    ['a', 0x10000, 0x10000],
    ['b', 0x20000, 0x1000],
  ]);
  t.same(places('boot,bootloader,primary,,', 'table,partition_table,primary,,', 'nvs,data,nvs,,24K'), [
    ['boot', 0, 0x8000],
    ['table', 0x8000, 0x1000],
    ['nvs', 0x9000, 0x6000],
  ]);
  t.equal(parsePartitionCsv('boot,bootloader,primary,,', { ...target, chip: 'esp32' }).partitions[0]?.offset, 0x1000);
});

for (const [what, lines, expected] of [
  ['no partition', ['# nothing'], { code: 'PARTITIONS_INVALID', where: 'partitions.csv' }],
  [
    'an unknown type',
    ['', 'a,daten,nvs,,4K'],
    { code: 'PARTITIONS_INVALID', where: 'partitions.csv:2', seen: 'daten', expected: /app, data/ },
  ],
  ['an unknown subtype', ['a,data,nvss,,4K'], { code: 'PARTITIONS_INVALID', seen: 'nvss', expected: /nvs_keys/ }],
  ['an app without subtype', ['a,app,,,64K'], { code: 'PARTITIONS_INVALID', expected: /factory/ }],
  ['no type', ['a,,nvs,,4K'], { code: 'PARTITIONS_INVALID', message: /type is missing/ }],
  ['no size', ['a,data,nvs,,'], { code: 'PARTITIONS_INVALID', message: /size is missing/ }],
  ['a size that is none', ['a,data,nvs,,4Q'], { code: 'PARTITIONS_INVALID', seen: '4Q' }],
  ['a number of the wrong form', ['a,data,nvs,010000,4K'], { code: 'PARTITIONS_INVALID', seen: '010000' }],
  ['a type above a byte', ['a,0x140,1,,4K'], { code: 'PARTITIONS_INVALID', seen: '0x140' }],
  ['an unknown flag', ['a,data,nvs,,12K,hidden'], { code: 'PARTITIONS_INVALID', seen: 'hidden' }],
  ['offsets out of order', ['a,data,fat,0x20000,4K', 'b,data,fat,0x10000,4K'], { code: 'PARTITIONS_INVALID', where: 'partitions.csv:2' }],
  ['the table overlapped', ['a,data,fat,0x8000,4K'], { code: 'PARTITIONS_INVALID', expected: /^0x9000/ }],
  ['two of OTA data', ['a,data,ota,,8K', 'b,data,ota,,8K'], { code: 'PARTITIONS_INVALID' }],
  ['OTA data of another size', ['a,data,ota,,4K'], { code: 'PARTITIONS_INVALID', expected: '0x2000' }],
  ['a core dump that nobody may write', ['a,data,coredump,,64K,readonly'], { code: 'PARTITIONS_INVALID' }],
  ['a small writable NVS', ['a,data,nvs,,8K'], { code: 'LAYOUT_SIZE', where: /^partitions\.csv:1, partition a, offset 0x[0-9a-f]+$/ }],
  ['one name twice', ['a,data,fat,,4K', 'a,data,fat,,4K'], { code: 'LAYOUT_NAME', where: /^partitions\.csv:2, partition a, offset/ }],
  [
    'an end before its start',
    ['a,data,fat,,4K', 'b,data,fat,,-0x9000'],
    { code: 'LAYOUT_SIZE', seen: '-0x1000', expected: 'at least 0x1' },
  ],
  ['more than the flash', ['a,app,factory,,8M'], { code: 'LAYOUT_BOUNDS', where: /^partitions\.csv:1, partition a, offset 0x[0-9a-f]+$/ }],
  [
    'an app off its grid',
    ['a,app,factory,0x18000,64K'],
    { code: 'LAYOUT_ALIGNMENT', where: /^partitions\.csv:1, partition a, offset 0x[0-9a-f]+$/ },
  ],
] as const) {
  t.test(`${what} is refused`, async (t) => {
    t.throws(() => read(...lines), expected);
  });
}

t.test('any text is a layout or a fault', async () => {
  const word = fc.oneof(fc.constantFrom('data', 'app', 'nvs', '0x1000', '4K', '', 'readonly', '#', '-1'), fc.string({ maxLength: 6 }));
  fc.assert(
    fc.property(fc.array(fc.array(word, { maxLength: 7 }), { maxLength: 5 }), (rows) => {
      try {
        const layout = read(...rows.map((row) => row.join(',')));
        return decodePartitionTable(encodePartitionTable(layout)).partitions.length === layout.partitions.length;
      } catch (error) {
        return /^(PARTITIONS_INVALID|LAYOUT_)/.test((error as { code?: string }).code ?? '');
      }
    }),
  );
});

t.test('the default layout, written as a CSV, is itself', async (t) => {
  const lines = [
    'esp_secure_cert,0x3F,6,0xd000,8K,readonly',
    'nvs,data,nvs,0x10000,24K',
    'fctry,data,nvs,,12K,readonly',
    'factory,app,factory,,1M',
  ];
  t.same(read(...lines), defaultLayout);
});
