import type { ImageFault } from '@zerotouch/flash-image/faults';
import { NorFlash } from '@zerotouch/flash-image/nor';
import { inspectNvs, readNvs } from '@zerotouch/flash-image/nvs/read';
import { NvsStore } from '@zerotouch/flash-image/nvs/store';
import type { NvsValue } from '@zerotouch/flash-image/nvs/value';
import { memoryStorage, type Storage } from '@zerotouch/flash-image/storage';
import { seededEntropy } from '@zerotouch/foundation/entropy';
import fc from 'fast-check';
import t from 'tap';
import { comparable, nvsValue } from './support/arbitraries.js';

const SIZE = 0x4000;

type Step = { readonly namespace: string; readonly key: string; readonly value: NvsValue | undefined };

const step: fc.Arbitrary<Step> = fc.record({
  namespace: fc.constantFrom('boot', 'app'),
  key: fc.constantFrom('a', 'b', 'c'),
  value: fc.option(nvsValue(2500), { nil: undefined, freq: 5 }),
});
const steps = fc.array(step, { minLength: 1, maxLength: 30 });

class PowerCut extends Error {
  override readonly name = 'PowerCut';
}

/** Storage that loses power before write number `writes`. */
function failing(storage: Storage, writes: number): Storage {
  let left = writes;
  const spend = (): void => {
    if (left-- <= 0) throw new PowerCut();
  };
  return {
    size: storage.size,
    read: (offset, length) => storage.read(offset, length),
    write(offset, bytes) {
      spend();
      storage.write(offset, bytes);
    },
    erase(offset, length) {
      spend();
      storage.erase(offset, length);
    },
    sync() {},
    close() {},
  };
}

/** Does one step on store and model alike; a full store must keep what it had. */
function apply(store: NvsStore, model: Map<string, string>, { namespace, key, value }: Step): void {
  const id = `${namespace}/${key}`;
  if (value === undefined) {
    t.equal(store.delete(namespace, key), model.delete(id));
    return;
  }
  try {
    store.set(namespace, key, value);
    model.set(id, comparable(value));
  } catch (error) {
    if ((error as ImageFault).code !== 'NVS_FULL') throw error;
  }
}

function shown(list: Iterable<{ namespace: string; key: string; value: NvsValue }>): Record<string, string> {
  return Object.fromEntries([...list].map(({ namespace, key, value }) => [`${namespace}/${key}`, comparable(value)] as const).sort());
}

const sorted = (model: Map<string, string>): Record<string, string> => Object.fromEntries([...model].sort());

t.test('the store is a map that outlives its process', async (t) => {
  fc.assert(
    fc.property(steps, (list) => {
      const flash = Buffer.alloc(SIZE, 0xff);
      const model = new Map<string, string>();
      let store = NvsStore.open(memoryStorage(flash));
      for (const one of list) {
        apply(store, model, one);
        if (JSON.stringify(shown(store.entries())) !== JSON.stringify(sorted(model))) t.same(shown(store.entries()), sorted(model));
        store = NvsStore.open(memoryStorage(flash));
        if (store.repairs.length > 0) t.same(store.repairs, []);
        if (JSON.stringify(shown(store.entries())) !== JSON.stringify(sorted(model))) t.same(shown(store.entries()), sorted(model));
      }
      t.same(shown(readNvs(flash)), sorted(model));
    }),
    { numRuns: 150 },
  );
});

t.test('a power cut after any write leaves the old value or the new one, and no other key touched', async (t) => {
  let cuts = 0;
  fc.assert(
    fc.property(steps, step, fc.nat(400), fc.nat(30), (before, last, cutAt, secondCut) => {
      const flash = Buffer.alloc(SIZE, 0xff);
      const model = new Map<string, string>();
      const first = NvsStore.open(memoryStorage(flash));
      for (const one of before) apply(first, model, one);
      const after = new Map(model);
      try {
        const store = NvsStore.open(failing(memoryStorage(flash), cutAt % 40));
        apply(store, after, last);
      } catch (error) {
        if (!(error instanceof PowerCut)) throw error;
        cuts++;
        const id = `${last.namespace}/${last.key}`;
        if (last.value === undefined) after.delete(id);
        else after.set(id, comparable(last.value));
      }
      const listed = shown(inspectNvs(flash).entries);
      try {
        NvsStore.open(failing(memoryStorage(flash), secondCut));
      } catch (error) {
        if (!(error instanceof PowerCut)) throw error;
      }
      const found = shown(NvsStore.open(memoryStorage(flash)).entries());
      t.ok([sorted(model), sorted(after)].some((expected) => JSON.stringify(expected) === JSON.stringify(found)));
      t.same(found, listed, 'a reader that repairs nothing sees the same');
      t.same(NvsStore.open(memoryStorage(flash)).repairs, [], 'repairs are made once');
      t.same(shown(readNvs(flash)), found);
    }),
    { numRuns: 400 },
  );
  t.ok(cuts > 50);
});

t.test('every cut of a rewrite that moves a page', async (t) => {
  const value = (round: number): NvsValue => ({ type: 'string', value: `${round} `.repeat(150) });
  const flash = Buffer.alloc(0x3000, 0xff);
  const store = NvsStore.open(memoryStorage(flash));
  store.set('keep', 'me', { type: 'u32', value: 7 });
  let round = 0;
  // Far more than the partition holds: pages are moved again and again.
  for (; round < 60; round++) store.set('app', 'log', value(round));
  let moved = 0;
  for (; round < 90; round++) {
    for (let writes = 0; ; writes++) {
      const copy = Buffer.from(flash);
      let finished = true;
      try {
        NvsStore.open(failing(memoryStorage(copy), writes)).set('app', 'log', value(round));
      } catch (error) {
        if (!(error instanceof PowerCut)) throw error;
        finished = false;
      }
      const again = NvsStore.open(memoryStorage(copy));
      if (again.repairs.some(({ message }) => message.includes('moved'))) moved++;
      t.same(again.get('keep', 'me'), { type: 'u32', value: 7 });
      t.ok([round - 1, round].some((one) => comparable(value(one)) === comparable(again.get('app', 'log'))));
      t.ok(again.set('app', 'log', { type: 'string', value: 'after' }), 'the store goes on');
      if (finished) break;
    }
    store.set('app', 'log', value(round));
  }
  t.ok(moved > 0, 'some cuts fell into a move');
});

t.test('a page that was given up, its erase cut before it began, is erased at the next opening, once', async (t) => {
  const flash = Buffer.alloc(0x3000, 0xff);
  const store = NvsStore.open(memoryStorage(flash));
  store.set('keep', 'me', { type: 'u32', value: 7 });
  for (let round = 0; round < 300; round++) store.set('app', 'count', { type: 'u32', value: round });
  const cuts = new Set<number>();
  for (let writes = 0; cuts.size === 0 || writes < 10; writes++) {
    const copy = Buffer.from(flash);
    for (let round = 300; round < 600; round++) {
      try {
        NvsStore.open(failing(memoryStorage(copy), writes)).set('app', 'count', { type: 'u32', value: round });
      } catch (error) {
        if (!(error instanceof PowerCut)) throw error;
      }
      const given = [0, 1, 2].find((page) => copy.readUInt32LE(page * 0x1000) === 0);
      if (given === undefined) continue;
      cuts.add(writes);
      t.match(NvsStore.open(memoryStorage(copy)).repairs, [{ code: 'NVS_PAGE_STATE', where: `partition nvs, offset 0x${given}000` }]);
      t.same(NvsStore.open(memoryStorage(copy)).repairs, []);
      t.same(readNvs(copy)[0]?.key, 'me');
      break;
    }
  }
  t.ok(cuts.size > 0);
});

t.test('every cut of a blob rewrite over two pages', async (t) => {
  const blob = (seed: number, length: number): NvsValue => ({ type: 'blob', value: Buffer.alloc(length, seed) });
  for (const [before, after] of [
    [blob(1, 5000), blob(2, 5000)],
    [blob(1, 5000), blob(2, 700)],
    [blob(1, 700), { type: 'u8', value: 1 }],
    [{ type: 'string', value: 'text' }, blob(2, 5000)],
  ] as const) {
    const flash = Buffer.alloc(0x6000, 0xff);
    NvsStore.open(memoryStorage(flash)).set('app', 'blob', before);
    let writes = 0;
    for (let finished = false; !finished; writes++) {
      const copy = Buffer.from(flash);
      try {
        NvsStore.open(failing(memoryStorage(copy), writes)).set('app', 'blob', after);
        finished = true;
      } catch (error) {
        if (!(error instanceof PowerCut)) throw error;
      }
      const found = comparable(NvsStore.open(memoryStorage(copy)).get('app', 'blob'));
      t.ok(found === comparable(before) || found === comparable(after), `cut before write ${writes}`);
    }
    t.ok(writes > 4);
  }
});

t.test('writes come in the order of a device', async (t) => {
  const flash = Buffer.alloc(SIZE, 0xff);
  NvsStore.open(memoryStorage(flash)).set('app', 'text', { type: 'string', value: 'old' });
  const writes: [number, number | string][] = [];
  const inner = memoryStorage(flash);
  const store = NvsStore.open({
    ...inner,
    write(offset, bytes) {
      writes.push([offset, offset < 64 ? Buffer.from(bytes).toString('hex') : bytes.length]);
      inner.write(offset, bytes);
    },
  });
  store.set('app', 'text', { type: 'string', value: 'new' });
  // Entry 3 and 4 follow the namespace and the old string, which is entry 1 and 2.
  t.same(writes, [
    [64 + 3 * 32, 32],
    [32, 'aaffffff'],
    [64 + 4 * 32, 32],
    [32, 'aafeffff'],
    [32, '82feffff'],
  ]);
});

t.test('each rewrite of a blob numbers its chunks from the other start', async (t) => {
  const flash = Buffer.alloc(SIZE, 0xff);
  const store = NvsStore.open(memoryStorage(flash));
  const starts: number[] = [];
  for (let round = 0; round < 3; round++) {
    store.set('app', 'blob', { type: 'blob', value: Buffer.alloc(8, round) });
    // Three entries a blob, after the namespace: header, data, index.
    starts.push(flash.readUInt8(64 + (3 + 3 * round) * 32 + 29));
  }
  t.same(starts, [0x00, 0x80, 0x00]);
});

t.test('an equal value is not written again', async (t) => {
  const flash = Buffer.alloc(SIZE, 0xff);
  NvsStore.open(memoryStorage(flash)).set('a', 'b', { type: 'blob', value: Buffer.alloc(5000, 1) });
  const store = NvsStore.open(failing(memoryStorage(flash), 0));
  t.notOk(store.set('a', 'b', { type: 'blob', value: Buffer.alloc(5000, 1) }));
  t.throws(() => store.set('a', 'b', { type: 'u8', value: 1 }), { name: 'PowerCut' });
});

t.test('an erased partition is an empty store, and opening writes nothing', async (t) => {
  const store = NvsStore.open(failing(memoryStorage(Buffer.alloc(SIZE, 0xff)), 0));
  t.same(store.entries(), []);
  t.equal(store.get('a', 'b'), undefined);
  t.notOk(store.delete('a', 'b'));
});

t.test('a full store refuses and keeps what it has', async (t) => {
  const flash = Buffer.alloc(0x3000, 0xff);
  const store = NvsStore.open(memoryStorage(flash));
  let count = 0;
  const fill = (): void => {
    for (; count < 1000; count++) store.set('n', `k${count}`, { type: 'u32', value: count });
  };
  t.throws(fill, { code: 'NVS_FULL', where: 'partition nvs, offset 0x0' });
  t.equal(count, 2 * 126 - 1, 'all entries of all pages but one, less the namespace');
  t.throws(() => store.set('n', 'blob', { type: 'blob', value: Buffer.alloc(9000) }), { code: 'NVS_FULL' });
  t.equal(NvsStore.open(memoryStorage(flash)).entries().length, count);
  t.ok(store.delete('n', 'k0'));
  t.ok(store.set('n', 'again', { type: 'u8', value: 1 }), 'room that was given back is used');
});

t.test('bytes that are no NVS are refused, not erased', async (t) => {
  const foreign = Buffer.alloc(SIZE, 'foreign!');
  t.throws(() => NvsStore.open(memoryStorage(foreign), { partition: 'nvs', offset: 0x10000 }), {
    code: 'NVS_PAGE_STATE',
    where: 'partition nvs, offset 0x10000',
  });
  t.ok(foreign.equals(Buffer.alloc(SIZE, 'foreign!')));
});

t.test('a page header torn at the very first write is taken for free', async (t) => {
  const flash = Buffer.alloc(SIZE, 0xff);
  flash.writeUInt32LE(0xfffffffe, 0);
  const store = NvsStore.open(memoryStorage(flash));
  t.match(store.repairs, [{ code: 'NVS_PAGE_CRC' }]);
  t.ok(store.set('a', 'b', { type: 'u8', value: 1 }));
  for (let round = 0; round < 700; round++) store.set('a', 'b', { type: 'u32', value: round });
  t.same(NvsStore.open(memoryStorage(flash)).get('a', 'b'), { type: 'u32', value: 699 });
});

t.test('a value that rots in flash is dropped at the next opening, and told', async (t) => {
  const flash = Buffer.alloc(SIZE, 0xff);
  const store = NvsStore.open(memoryStorage(flash));
  store.set('a', 'text', { type: 'string', value: 'in flash' });
  store.set('a', 'other', { type: 'u8', value: 1 });
  const at = flash.indexOf('in flash');
  flash.writeUInt8(flash.readUInt8(at) ^ 1, at);
  t.throws(() => store.get('a', 'text'), { code: 'NVS_DATA_CRC' });
  const again = NvsStore.open(memoryStorage(flash));
  t.match(again.repairs, [{ code: 'NVS_DATA_CRC', where: `partition nvs, offset 0x60` }]);
  t.equal(again.get('a', 'text'), undefined);
  t.same(again.get('a', 'other'), { type: 'u8', value: 1 });
});

t.test('the store knows how often its sectors were erased, also when it is opened anew', async (t) => {
  const chip = new NorFlash(Buffer.alloc(0x6000, 0xff), { entropy: seededEntropy('wear') });
  const erased = (): number => chip.wear.reduce((sum, count) => sum + count, 0);
  const store = NvsStore.open(chip);
  t.strictSame(store.wear, { erasures: 0, badSectors: 0 });
  for (let round = 0; round < 3000; round++) {
    store.set('test', 'count', { type: 'u32', value: round });
    if (round % 500 === 0) t.equal(store.wear.erasures, erased());
  }
  t.ok(erased() > 10);
  t.strictSame(store.wear, { erasures: erased(), badSectors: 0 });
  t.strictSame(NvsStore.open(chip).wear, store.wear);
});
