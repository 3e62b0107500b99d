import { ImageFault } from '@zerotouch/flash-image/faults';
import { openImage } from '@zerotouch/flash-image/image';
import { inspectImage } from '@zerotouch/flash-image/inspect';
import { memoryStorage } from '@zerotouch/flash-image/storage';
import fc from 'fast-check';
import t from 'tap';
import { golden } from './support/golden.js';
import { goodImage } from './support/images.js';

/** Reads all there is; `undefined` when that works, the fault otherwise. Any other error is a failure of the test. */
function faultOf(image: Buffer): ImageFault | undefined {
  let first: ImageFault | undefined;
  for (const read of [
    () => openImage(memoryStorage(image)),
    () => openImage(memoryStorage(image)).nvs.entries(),
    () => inspectImage(memoryStorage(image)),
  ]) {
    try {
      read();
    } catch (error) {
      if (!(error instanceof ImageFault)) throw error;
      first ??= error;
    }
  }
  return first;
}

const signed = (start: string, size: number): Buffer => Buffer.concat([Buffer.from(start, 'hex'), Buffer.alloc(size, 0x5a)]);

for (const [what, image, code, seen] of [
  ['nothing', Buffer.alloc(0), 'IMAGE_EMPTY', '0 bytes'],
  ['erased flash', Buffer.alloc(0x20000, 0xff), 'IMAGE_EMPTY', undefined],
  ['a short file', Buffer.alloc(100, 0x55), 'IMAGE_SHORT', '0x64 bytes'],
  ['zeros', Buffer.alloc(0x20000), 'IMAGE_FOREIGN', 'zeros'],
  ['a PNG', signed('89504e470d0a1a0a', 0x20000), 'IMAGE_FOREIGN', 'a PNG picture'],
  ['a short PNG', signed('89504e470d0a1a0a', 2000), 'IMAGE_FOREIGN', 'a PNG picture'],
  ['an ELF file', signed('7f454c46', 0x20000), 'IMAGE_FOREIGN', 'an ELF program (the application before it became an image)'],
  ['one partition', golden('fctry.bin'), 'IMAGE_FOREIGN', 'an NVS partition by itself'],
  ['text', Buffer.alloc(0x20000, 'text '), 'IMAGE_FOREIGN', '7420'],
  ['an image cut in the table', goodImage().subarray(0, 0x8100), 'IMAGE_SHORT', '0x8100 bytes'],
] as const) {
  t.test(`${what} is told from a flash image`, async (t) => {
    const fault = faultOf(image);
    t.match(fault, { code, expected: String });
    t.equal(fault?.seen, seen);
    if (image.length > 0) t.match(fault?.where, 'partition table, offset 0x8000');
  });
}

t.test('an image that ends early names the partition', async (t) => {
  t.match(faultOf(goodImage().subarray(0, 0x17000)), {
    code: 'IMAGE_SHORT',
    message:
      'partition fctry, offset 0x16000: the image ends before this partition does; seen "0x17000 bytes"; expected at least 0x19000 bytes',
  });
});

for (const [what, offset, code, where] of [
  ['a partition offset', 0x8004, 'TABLE_MD5', 'partition table, offset 0x8090'],
  ['the magic of the second entry', 0x8020, 'TABLE_ENTRY', 'partition table, offset 0x8020'],
  ['a byte behind the table', 0x8a00, 'TABLE_ENTRY', 'partition table, offset 0x80a0'],
  ['the device certificate', 0xd300, 'CERT_CRC', 'partition esp_secure_cert, offset 0xd280'],
  ['the magic of the private key', 0xd510, 'CERT_TLV', 'partition esp_secure_cert, offset 0xd510'],
  ['the integrity hash', 0xd61c, 'CERT_CRC', 'partition esp_secure_cert, offset 0xd610'],
  ['a page header', 0x16004, 'NVS_PAGE_CRC', 'partition fctry, offset 0x16000'],
  ['a page state', 0x16003, 'NVS_PAGE_STATE', 'partition fctry, offset 0x16000'],
  ['a key', 0x16068, 'NVS_ENTRY_CRC', 'partition fctry, offset 0x16060'],
  ['a string', 0x16120, 'NVS_DATA_CRC', 'partition fctry, offset 0x16100'],
  ['a blob', 0x161a0, 'NVS_DATA_CRC', 'partition fctry, offset 0x16180'],
  ['an unused page', 0x17800, 'NVS_PAGE_STATE', 'partition fctry, offset 0x17000'],
] as const) {
  t.test(`a flip in ${what} is named`, async (t) => {
    const image = goodImage();
    image.writeUInt8(image.readUInt8(offset) ^ 0x10, offset);
    t.match(faultOf(image), { code, where, expected: String });
  });
}

t.test('no secret is in an error', async (t) => {
  const image = goodImage();
  for (const offset of [0xd560, 0x161a0]) {
    const copy = Buffer.from(image);
    copy.writeUInt8(copy.readUInt8(offset) ^ 1, offset);
    const fault = faultOf(copy);
    t.notMatch(JSON.stringify([fault, fault?.message]), /AAECAw|000102|MHcCAQEE/);
  }
});

/** The bytes of the golden image that a CRC, a hash or a magic covers. */
function protectedOffsets(): number[] {
  const image = goodImage();
  const ranges: [number, number][] = [
    [0x8000, 0x80a0],
    [0xd000, 0xd000 + golden('esp_secure_cert.bin').length],
    [0x16004, 0x16020],
  ];
  for (let offset = 0x16040; image.readUInt8(offset) !== 0xff; offset += 32 * image.readUInt8(offset + 2)) {
    const data = image.readUInt8(offset + 2) > 1 ? image.readUInt16LE(offset + 24) : 0;
    ranges.push([offset, offset + 32 + data]);
  }
  return ranges.flatMap(([from, to]) => Array.from({ length: to - from }, (_, index) => from + index));
}

t.test('a flip in any protected byte is a fault', async (t) => {
  const good = goodImage();
  const offsets = protectedOffsets();
  t.ok(offsets.length > 1900);
  fc.assert(
    fc.property(fc.constantFrom(...offsets), fc.integer({ min: 1, max: 255 }), (offset, change) => {
      const image = Buffer.from(good);
      image.writeUInt8(image.readUInt8(offset) ^ change, offset);
      const fault = faultOf(image);
      return fault?.where !== undefined && /^partition \S+, offset 0x/.test(fault.where) && fault.expected !== undefined;
    }),
    { numRuns: 2000 },
  );
});

t.test('whatever is changed, the answer is a result or an ImageFault', async () => {
  const good = goodImage();
  openImage(memoryStorage(good)).nvs.set('app', 'blob', { type: 'blob', value: Buffer.alloc(6000, 3) });
  const used = fc.oneof(
    fc.integer({ min: 0x8000, max: 0x80c0 }),
    fc.integer({ min: 0xd000, max: 0xd700 }),
    fc.integer({ min: 0x10000, max: 0x12000 }),
    fc.integer({ min: 0x16000, max: 0x16200 }),
  );
  const change = fc.tuple(used, fc.uint8Array({ minLength: 1, maxLength: 64 }));
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) => {
      const image = Buffer.from(good);
      for (const [offset, bytes] of changes) image.set(bytes, offset);
      faultOf(image);
    }),
    { numRuns: 1500 },
  );
});

t.test('random bytes are a fault', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 0x9000, size: 'max' }), (bytes) => faultOf(Buffer.from(bytes)) !== undefined),
    { numRuns: 100 },
  );
});
