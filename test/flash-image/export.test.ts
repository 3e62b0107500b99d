import { chips } from '@zerotouch/flash-image/chip';
import { decodeIntelHex, encodeIntelHex, type Segment } from '@zerotouch/flash-image/intel-hex';
import { decodeUf2, encodeUf2 } from '@zerotouch/flash-image/uf2';
import fc from 'fast-check';
import t from 'tap';

/** Segments with a gap between each two, on a grid. */
const segments = (grid: number, whole: boolean) =>
  fc
    .array(fc.record({ gap: fc.integer({ min: 1, max: 400 }), bytes: fc.uint8Array({ minLength: 1, maxLength: 700 }) }), {
      minLength: 1,
      maxLength: 5,
    })
    .map((parts) => {
      let end = 0;
      return parts.map(({ gap, bytes }): Segment => {
        const offset = Math.ceil((end + gap * 256) / grid) * grid;
        const filled = Buffer.alloc(whole ? Math.ceil(bytes.length / 256) * 256 : bytes.length, 0xff);
        filled.set(bytes);
        end = offset + filled.length;
        return { offset, bytes: filled };
      });
    });

const shown = (list: readonly Segment[]) => list.map(({ offset, bytes }) => `${offset} ${Buffer.from(bytes).toString('hex')}`);

t.test('Intel HEX gives back what was put in', async () => {
  fc.assert(
    fc.property(segments(1, false), (list) => JSON.stringify(shown(decodeIntelHex(encodeIntelHex(list)))) === JSON.stringify(shown(list))),
    { numRuns: 60 },
  );
});

t.test('Intel HEX is what the standard shows', async (t) => {
  const bytes = Buffer.from('214601360121470136007EFE09D2190140'.slice(0, 32), 'hex');
  t.equal(encodeIntelHex([{ offset: 0x100, bytes }]), ':020000040000FA\n:10010000214601360121470136007EFE09D2190140\n:00000001FF\n');
  t.match(encodeIntelHex([{ offset: 0x1fff8, bytes: Buffer.alloc(16) }]), /:020000040001F9\n:08FFF8.*\n:020000040002F8\n:080000.*\n/);
});

t.test('damaged Intel HEX is refused by its line', async (t) => {
  const text = encodeIntelHex([{ offset: 0, bytes: Buffer.alloc(16, 5) }]);
  t.throws(() => decodeIntelHex(text.replace('05', '06')), { code: 'EXPORT_HEX', where: 'line 2', message: /checksum/ });
  t.throws(() => decodeIntelHex(text.replace(':00000001FF\n', '')), { code: 'EXPORT_HEX', message: /end line/ });
  t.throws(() => decodeIntelHex('hello'), { code: 'EXPORT_HEX', where: 'line 1' });
  t.throws(() => decodeIntelHex(':0000000000\n:01000000FF'), { code: 'EXPORT_HEX', where: 'line 2' });
  t.throws(() => decodeIntelHex(':00000002FE'), { code: 'EXPORT_HEX', message: /unknown type/ });
  t.throws(() => decodeIntelHex(':02000000FFFF'), { code: 'EXPORT_HEX', where: 'line 1', message: /length/ });
});

t.test('UF2 gives back what was put in, in blocks of 512 bytes for its family', async (t) => {
  fc.assert(
    fc.property(segments(256, true), (list) => {
      const file = encodeUf2(list, chips.esp32c3.uf2Family);
      const { family, segments: read } = decodeUf2(file);
      return file.length % 512 === 0 && family === 0xd42ba06c && JSON.stringify(shown(read)) === JSON.stringify(shown(list));
    }),
    { numRuns: 60 },
  );
  const block = encodeUf2([{ offset: 0x8000, bytes: Buffer.from([1, 2]) }], 1);
  t.equal(block.toString('latin1', 0, 4), 'UF2\n');
  t.same(block.subarray(32, 36), Buffer.from([1, 2, 0xff, 0xff]));
});

t.test('damaged UF2 is refused by its block', async (t) => {
  const file = encodeUf2([{ offset: 0, bytes: Buffer.alloc(600, 3) }], 7);
  const changed = (offset: number, value: number) => {
    const copy = Buffer.from(file);
    copy.writeUInt32LE(value, offset);
    return copy;
  };
  t.throws(() => decodeUf2(file.subarray(0, 700)), { code: 'EXPORT_UF2', seen: '700 bytes' });
  t.throws(() => decodeUf2(file.subarray(0, 1024)), { code: 'EXPORT_UF2', message: /missing or moved/ });
  t.throws(() => decodeUf2(changed(512, 0)), { code: 'EXPORT_UF2', where: 'block 1' });
  t.throws(() => decodeUf2(changed(1024 + 28, 8)), { code: 'EXPORT_UF2', where: 'block 2', message: /family/ });
  t.throws(() => decodeUf2(changed(16, 500)), { code: 'EXPORT_UF2', message: /payload/ });
  t.throws(() => encodeUf2([{ offset: 8, bytes: Buffer.alloc(1) }], 7), { code: 'EXPORT_UF2' });
});
