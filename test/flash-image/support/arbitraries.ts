import type { NvsValue } from '@zerotouch/flash-image/nvs/value';
import fc from 'fast-check';

const integers = (['u8', 'i8', 'u16', 'i16', 'u32', 'i32'] as const).map((type) => {
  const bits = Number(type.slice(1));
  const range = type.startsWith('u') ? { min: 0, max: 2 ** bits - 1 } : { min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 };
  return fc.integer(range).map((value): NvsValue => ({ type, value }));
});

/** Text that NVS keeps: well-formed, without NUL. */
const text = (maxLength: number) =>
  fc.string({ unit: 'grapheme', maxLength }).filter((value) => !value.includes('\0') && Buffer.byteLength(value) < 4000);

/** Any value; blobs go up to `maxBlob` bytes and so over pages. */
export function nvsValue(maxBlob: number): fc.Arbitrary<NvsValue> {
  const blob = fc.tuple(fc.integer({ min: 0, max: maxBlob }), fc.nat(255));
  return fc.oneof(
    ...integers,
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((value): NvsValue => ({ type: 'u64', value })),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((value): NvsValue => ({ type: 'i64', value })),
    { weight: 3, arbitrary: text(40).map((value): NvsValue => ({ type: 'string', value })) },
    { weight: 2, arbitrary: fc.integer({ min: 41, max: 3999 }).map((length): NvsValue => ({ type: 'string', value: 's'.repeat(length) })) },
    {
      weight: 5,
      arbitrary: blob.map(
        ([length, seed]): NvsValue => ({
          type: 'blob',
          value: Buffer.from(Array.from({ length }, (_, index) => (index * 7 + seed) & 0xff)),
        }),
      ),
    },
  );
}

/** A value without Buffer classes, so that two readings compare. */
export function comparable(value: NvsValue | undefined): string {
  if (value === undefined) return 'nothing';
  return `${value.type} ${value.type === 'blob' ? Buffer.from(value.value).toString('hex') : value.value}`;
}
