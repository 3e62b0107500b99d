import { statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BlockDevice, blockStorage } from '@zerotouch/flash-image/block-device';
import { fileStorage, memoryStorage, region, type Storage } from '@zerotouch/flash-image/storage';
import fc from 'fast-check';
import t from 'tap';

type Case = { readonly name: string; readonly make: (folder: string, bytes: Buffer) => Storage };

const cases: readonly Case[] = [
  { name: 'memory', make: (_, bytes) => memoryStorage(bytes) },
  {
    name: 'a file',
    make: (folder, bytes) => {
      writeFileSync(join(folder, 'flash.bin'), bytes);
      return fileStorage(join(folder, 'flash.bin'));
    },
  },
  { name: 'blocks', make: (_, bytes) => blockStorage(blocksOf(bytes, 8), 'blocks') },
  {
    name: 'a region',
    make: (_, bytes) => region(memoryStorage(Buffer.concat([Buffer.alloc(8), bytes, Buffer.alloc(8)])), 8, bytes.length),
  },
];

/** A device that takes whole blocks and nothing else. */
function blocksOf(bytes: Buffer, blockSize: number): BlockDevice {
  const memory = memoryStorage(bytes);
  const whole = (offset: number, length: number): void => {
    if (offset % blockSize !== 0 || length % blockSize !== 0 || length === 0) throw new Error(`${length} bytes at ${offset} are no blocks`);
  };
  return {
    ...memory,
    blockSize,
    read(offset, length) {
      whole(offset, length);
      return memory.read(offset, length);
    },
    write(offset, written) {
      whole(offset, written.length);
      memory.write(offset, written);
    },
  };
}

for (const { name, make } of cases) {
  t.test(`${name} reads, writes and erases within its bounds`, async (t) => {
    const storage = make(t.testdir(), Buffer.from('0123456789abcdef'));
    t.equal(storage.size, 16);
    t.equal(storage.read(4, 3).toString(), '456');
    storage.write(14, Buffer.from('XY'));
    storage.erase(0, 2);
    storage.sync();
    t.equal(storage.read(0, 16).toString('latin1'), '\xff\xff23456789abcdXY');
    const copy = storage.read(4, 1);
    copy.fill(0);
    t.equal(storage.read(4, 1).toString(), '4', 'what is read is a copy');
    for (const [offset, length] of [
      [15, 2],
      [-1, 1],
      [0, -1],
      [0.5, 1],
      [17, 0],
      [Number.NaN, 1],
    ] as const) {
      t.throws(() => storage.read(offset, length), { code: 'STORAGE_RANGE' });
      t.throws(() => storage.erase(offset, length), { code: 'STORAGE_RANGE' });
    }
    t.throws(() => storage.write(15, Buffer.from('XY')), { code: 'STORAGE_RANGE' });
    storage.close();
  });
}

t.test('a file keeps its size, and read-only means it', async (t) => {
  const path = join(t.testdir({ 'flash.bin': 'flash' }), 'flash.bin');
  const storage = fileStorage(path, { readOnly: true });
  t.throws(() => storage.write(0, Buffer.from('x')), { code: 'STORAGE_READ_ONLY', where: `${path}, offset 0x0` });
  t.throws(() => storage.erase(0, 1), { code: 'STORAGE_READ_ONLY' });
  t.equal(storage.read(0, 5).toString(), 'flash');
  truncateSync(path, 2);
  t.throws(() => storage.read(0, 5), { code: 'IMAGE_SHORT', where: `${path}, offset 0x2` });
  storage.close();
  t.equal(statSync(path).size, 2);
});

t.test('what is no file is an error that names it', async (t) => {
  const folder = t.testdir();
  t.throws(() => fileStorage(join(folder, 'none.bin')), { code: 'STORAGE_IO', where: join(folder, 'none.bin'), message: /ENOENT/ });
  t.throws(() => fileStorage(folder, { readOnly: true }), { code: 'STORAGE_IO', where: folder });
});

t.test('a region must lie in its storage', async (t) => {
  t.throws(() => region(memoryStorage(Buffer.alloc(16)), 8, 9), { code: 'STORAGE_RANGE' });
});

t.test('blocks: whatever is written where, the rest stays', async (t) => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(120), fc.uint8Array({ maxLength: 8 })), { maxLength: 20 }), (writes) => {
      const [plain, blocks] = [Buffer.alloc(128), Buffer.alloc(128)];
      const storage = blockStorage(blocksOf(blocks, 16), 'blocks');
      for (const [offset, bytes] of writes) {
        plain.set(bytes, offset);
        storage.write(offset, bytes);
      }
      return plain.equals(blocks) && storage.read(3, 50).equals(plain.subarray(3, 53));
    }),
  );
  t.pass();
});
