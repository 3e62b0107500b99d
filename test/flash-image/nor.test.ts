import { NorFlash, type NorOptions } from '@zerotouch/flash-image/nor';
import { NvsStore } from '@zerotouch/flash-image/nvs/store';
import { memoryStorage } from '@zerotouch/flash-image/storage';
import { seededEntropy } from '@zerotouch/foundation/entropy';
import fc from 'fast-check';
import t from 'tap';

const SECTOR = 0x1000;
const erased = (sectors: number) => Buffer.alloc(sectors * SECTOR, 0xff);
const chip = (bytes: Buffer, options: Partial<NorOptions> = {}) => new NorFlash(bytes, { entropy: seededEntropy('nor'), ...options });
const u32 = (value: number) => ({ type: 'u32', value }) as const;

t.test('programming clears bits, and nothing but an erase sets them', async (t) => {
  const flash = chip(erased(2));
  flash.write(8, Buffer.from([0xf0, 0x0f]));
  flash.write(8, Buffer.from([0x50, 0x05]));
  t.same(flash.read(8, 2), Buffer.from([0x50, 0x05]));
  t.throws(() => flash.write(8, Buffer.from([0x51, 0x05])), { code: 'NOR_PROGRAM', where: 'flash, offset 0x8' });
  t.throws(() => flash.erase(8, SECTOR), { code: 'NOR_ERASE' });
  t.throws(() => flash.write(2 * SECTOR - 1, Buffer.alloc(2)), { code: 'STORAGE_RANGE' });
  flash.erase(0, SECTOR);
  t.same(flash.read(8, 2), Buffer.from([0xff, 0xff]));
  t.same(flash.wear, [1, 0]);
  t.equal(flash.steps, 3);
});

t.test('a cut after a word leaves the words before it; one inside a word some of its bits', async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.nat(12), fc.boolean(), fc.string(), (bytes, after, inside, seed) => {
      const memory = erased(1);
      const flash = chip(memory, { entropy: seededEntropy(seed) });
      flash.cutPower(after, inside);
      const words = Math.ceil(bytes.length / 4);
      if (after >= words) {
        flash.write(0, bytes);
        return Buffer.from(bytes).equals(memory.subarray(0, bytes.length));
      }
      t.throws(() => flash.write(0, bytes), { name: 'PowerCut' });
      t.throws(() => flash.read(0, 1), { name: 'PowerCut' }, 'nothing works without power');
      flash.restorePower();
      const whole = after * 4;
      const torn = memory.subarray(whole, whole + 4);
      const only = torn.every((byte, index) => (byte & (bytes[whole + index] ?? 0xff)) === (bytes[whole + index] ?? 0xff));
      const untouched = memory.subarray(whole + (inside ? 4 : 0)).every((byte) => byte === 0xff);
      return Buffer.from(bytes.subarray(0, whole)).equals(memory.subarray(0, whole)) && only && untouched;
    }),
  );
});

t.test('a cut inside an erase leaves anything between the old bytes and FF', async (t) => {
  const kinds = new Set<string>();
  for (let seed = 0; seed < 30; seed++) {
    const memory = Buffer.alloc(SECTOR, 0xa5);
    const flash = chip(memory, { entropy: seededEntropy(`${seed}`) });
    flash.cutPower(0, true);
    t.throws(() => flash.erase(0, SECTOR), { name: 'PowerCut' });
    t.ok(memory.every((byte) => (byte & 0xa5) === 0xa5));
    kinds.add(memory[0] === 0xff ? 'from the start' : memory.at(-1) === 0xff ? 'from the end' : 'everywhere');
  }
  t.equal(kinds.size, 3);
});

t.test('a store spreads its wear, though most of what it holds never changes', async (t) => {
  const flash = chip(erased(6));
  let store = NvsStore.open(flash);
  for (let key = 0; key < 40; key++) store.set('still', `k${key}`, u32(key));
  for (let round = 0; round < 60_000; round++) {
    store.set('app', 'counter', u32(round));
    // A device that is booted often begins to write where it left off.
    if (round % 500 === 0) store = NvsStore.open(flash);
  }
  const least = Math.min(...flash.wear);
  const most = Math.max(...flash.wear);
  t.ok(least * 2 >= most, `every sector erased ${least} to ${most} times`);
  for (let key = 0; key < 40; key++) t.same(store.get('still', `k${key}`), u32(key));
});

t.test('one page is always free, whatever is written', async (t) => {
  const memory = erased(4);
  const store = NvsStore.open(chip(memory));
  for (let round = 0; round < 3_000; round++) {
    store.set('app', `k${round % 7}`, { type: 'blob', value: Buffer.alloc((round * 37) % 900, round) });
    const free = [0, 1, 2, 3].filter((page) => memory.subarray(page * SECTOR, (page + 1) * SECTOR).every((byte) => byte === 0xff));
    if (free.length === 0) t.fail(`none after ${round} writes`);
  }
});

t.test('a sector that goes bad costs its room, and no value', async (t) => {
  for (let bad = 0; bad < 6; bad++) {
    const flash = chip(erased(6), { badSectors: [bad] });
    let store = NvsStore.open(flash);
    for (let round = 0; round < 5_000; round++) {
      store.set('app', 'counter', u32(round));
      store.set('app', 'text', { type: 'string', value: `round ${round} `.repeat(1 + (round % 9)) });
      if (round % 313 === 0) store = NvsStore.open(flash);
    }
    t.same(NvsStore.open(flash).get('app', 'counter'), u32(4_999), `sector ${bad}`);
  }
});

t.test('flash that wears out sector by sector keeps what it has to the very end', async (t) => {
  for (const reopen of [true, false]) {
    const flash = chip(erased(6), { endurance: 20 });
    let store = NvsStore.open(flash);
    let last = -1;
    t.throws(
      () => {
        for (let round = 0; ; round++) {
          store.set('app', 'counter', u32(round));
          last = round;
          if (reopen && round % 50 === 0) store = NvsStore.open(flash);
        }
      },
      { code: 'NVS_FULL' },
    );
    t.ok(last > 5 * 20 * 100, `${last} writes`);
    t.same(store.get('app', 'counter'), u32(last));
    t.same(NvsStore.open(flash).get('app', 'counter'), u32(last), 'and after the next boot');
  }
});

t.test('a wiped store has no trace of what it held, and can be used', async () => {
  fc.assert(
    fc.property(fc.array(fc.record({ key: fc.nat(9), size: fc.nat(1500) }), { maxLength: 60 }), (writes) => {
      const memory = erased(4);
      const store = NvsStore.open(chip(memory));
      for (const { key, size } of writes) {
        try {
          store.set('secret', `key${key}`, { type: 'blob', value: Buffer.alloc(size, 'SECRET') });
        } catch (error) {
          if ((error as { code?: unknown }).code !== 'NVS_FULL') throw error;
        }
      }
      store.wipe();
      const again = NvsStore.open(memoryStorage(memory));
      const clean = !memory.includes('SECRE') && !memory.includes('secret') && again.entries().length === 0 && again.repairs.length === 0;
      store.set('app', 'a', u32(1));
      return clean && NvsStore.open(memoryStorage(memory)).entries().length === 1;
    }),
  );
});

t.test('a wipe that is told to erase a bad sector says so, and erases the others', async (t) => {
  const memory = erased(4);
  const store = NvsStore.open(chip(memory));
  for (let round = 0; round < 300; round++) store.set('secret', `k${round % 3}`, { type: 'string', value: `SECRET ${round}` });
  const flash = chip(memory, { badSectors: [0] });
  t.throws(() => NvsStore.open(flash).wipe(), { code: 'NOR_BAD_SECTOR' });
  t.notOk(memory.subarray(SECTOR).includes('SECRET 299'));
  t.ok(
    NvsStore.open(flash).repairs.some(({ code }) => code === 'NOR_BAD_SECTOR'),
    'the next boot tries again, and boots',
  );
});
