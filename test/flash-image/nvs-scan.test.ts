import { crcOf } from '@zerotouch/flash-image/crc';
import { ImageFault } from '@zerotouch/flash-image/faults';
import { setEntryStates } from '@zerotouch/flash-image/nvs/page';
import { inspectNvs, readNvs } from '@zerotouch/flash-image/nvs/read';
import { NvsStore } from '@zerotouch/flash-image/nvs/store';
import type { NvsEntry } from '@zerotouch/flash-image/nvs/value';
import { memoryStorage } from '@zerotouch/flash-image/storage';
import fc from 'fast-check';
import t from 'tap';
import { comparable } from './support/arbitraries.js';

type Made = { readonly head: readonly number[]; readonly key: string; readonly data: string };

const wild = {
  head: fc.tuple(
    fc.integer({ min: 0, max: 3 }),
    fc.constantFrom(1, 2, 8, 0x14, 0x21, 0x41, 0x42, 0x48, 0x77),
    fc.constantFrom(1, 0, 2, 3, 126, 255),
    fc.constantFrom(0xff, 0, 1, 0x80),
  ),
  key: fc.constantFrom('a', 'b', 'fifteen-letters', '', 'sixteen-letters!'),
  data: fc.uint8Array({ minLength: 8, maxLength: 8 }).map((bytes) => Buffer.from(bytes).toString('hex')),
};
const number = fc.constantFrom(1, 2);
const key = fc.constantFrom('a', 'b');
/** Namespaces, integers, empty blob chunks and their indexes, each sound by itself. */
const namespace = { head: fc.constant([0, 1, 1, 0xff]), key, data: number.map((index) => `0${index}ffffffffffffff`) };
const integer = { head: fc.tuple(number, fc.constantFrom(1, 8, 0x14), fc.constant(1), fc.constant(0xff)), key, data: wild.data };
const chunk = {
  head: fc.tuple(number, fc.constant(0x42), fc.constant(1), fc.constantFrom(0, 1, 0x80, 0x81)),
  key,
  data: fc.constant('0000ffffffffffff'),
};
const index = {
  head: fc.tuple(number, fc.constant(0x48), fc.constant(1), fc.constant(0xff)),
  key,
  data: fc.constantFrom('000000000100ffff', '000000000180ffff', '000000000280ffff', '010000000100ffff'),
};

/** Entries that match their CRC and yet make no sense together: what no writer makes and a reader must survive. `head`: namespace, type, span, chunk. */
const entry = fc
  .oneof(
    { weight: 2, arbitrary: fc.record<Made>(namespace) },
    { weight: 3, arbitrary: fc.record<Made>(integer) },
    { weight: 3, arbitrary: fc.record<Made>(chunk) },
    { weight: 3, arbitrary: fc.record<Made>(index) },
    { weight: 1, arbitrary: fc.record<Made>(wild) },
  )
  .chain((made) => fc.constantFrom(2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 0, 3, 1).map((state) => ({ ...made, state })));

/** Both namespaces, written: without them no other entry means anything. */
const namespaces = [1, 2].map((index) => ({
  head: [0, 1, 1, 0xff],
  key: index === 1 ? 'a' : 'b',
  data: `0${index}ffffffffffffff`,
  state: 2 as const,
}));

const page = fc.record({
  state: fc.constantFrom(0xfffffffe, 0xfffffffe, 0xfffffffc, 0xfffffffc, 0xfffffff8),
  entries: fc
    .tuple(
      fc.constantFrom(true, true, true, true, true, false),
      fc.array(fc.option(entry, { freq: 20 }), { minLength: 6, maxLength: 18, size: 'max' }),
    )
    .map(([named, rest]) => (named ? [...namespaces, ...rest] : rest)),
});

type Entry = typeof entry extends fc.Arbitrary<infer T> ? T : never;
type Page = typeof page extends fc.Arbitrary<infer T> ? T : never;

function buildEntry({ head, key, data }: Entry): Buffer {
  const bytes = Buffer.alloc(32);
  bytes.set(head, 0);
  bytes.write(key, 8, 'latin1');
  bytes.write(data, 24, 'hex');
  bytes.writeUInt32LE(crcOf(bytes.subarray(8), crcOf(bytes.subarray(0, 4))), 4);
  return bytes;
}

function buildPage({ state, entries }: Page, sequence: number): Buffer {
  const bytes = Buffer.alloc(4096, 0xff);
  bytes.writeUInt32LE(state, 0);
  bytes.writeUInt32LE(sequence, 4);
  bytes.writeUInt8(0xfe, 8);
  bytes.writeUInt32LE(crcOf(bytes.subarray(4, 28)), 28);
  for (const [slot, item] of entries.entries()) {
    if (item === null) continue;
    buildEntry(item).copy(bytes, 64 + slot * 32);
    setEntryStates(bytes, slot, 1, item.state);
  }
  return bytes;
}

const FREEING = 0xfffffff8;

/** Pages, newest first, at most one of them being moved: a writer begins no second move. An erased page is added. */
const pages = fc
  .array(fc.option(page, { freq: 5 }), { minLength: 2, maxLength: 4 })
  .filter((list) => list.filter((one) => one?.state === FREEING).length <= 1);

function buildPartition(list: readonly (Page | null)[]): Buffer {
  const built = list.map((item, index) => (item === null ? Buffer.alloc(4096, 0xff) : buildPage(item, list.length - index)));
  return Buffer.concat([...built, Buffer.alloc(4096, 0xff)]);
}

function shown(list: readonly NvsEntry[]): string {
  return list
    .map(({ namespace, key, value }) => `${namespace}/${key} ${comparable(value)}`)
    .sort()
    .join('\n');
}

t.test('whatever the pages say, opening leaves a partition that reads clean and shows the same', async (t) => {
  let opened = 0;
  let told = 0;
  fc.assert(
    fc.property(pages, (list) => {
      const flash = buildPartition(list);
      const before = shown(inspectNvs(flash).entries);
      let store: NvsStore;
      try {
        store = NvsStore.open(memoryStorage(flash));
      } catch (error) {
        return error instanceof ImageFault && error.code !== 'STORAGE_IO';
      }
      opened++;
      const after = shown(readNvs(flash));
      if (after.includes('\n')) told++;
      store.set('new', 'value', { type: 'u8', value: 1 });
      return before === after && NvsStore.open(memoryStorage(flash)).get('new', 'value') !== undefined;
    }),
    { numRuns: 3000 },
  );
  t.ok(opened > 1000);
  t.ok(told > 1000, 'most partitions hold several entries');
});

t.test('a partition of another version is refused', async (t) => {
  const flash = Buffer.alloc(0x3000, 0xff);
  flash.writeUInt32LE(0xfffffffe, 0);
  flash.writeUInt32LE(0, 4);
  flash.writeUInt32LE(crcOf(flash.subarray(4, 28)), 28);
  t.throws(() => readNvs(flash), { code: 'NVS_VERSION', seen: '0xff', expected: 'version 2 (0xfe)' });
});

t.test('a partition that is not whole pages is refused', async (t) => {
  t.throws(() => readNvs(Buffer.alloc(0)), { code: 'NVS_SIZE' });
  t.throws(() => readNvs(Buffer.alloc(4097, 0xff)), { code: 'NVS_SIZE' });
});
