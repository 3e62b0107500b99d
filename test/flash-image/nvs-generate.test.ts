import { generateNvs } from '@zerotouch/flash-image/nvs/generate';
import { readNvs } from '@zerotouch/flash-image/nvs/read';
import type { NvsEntry } from '@zerotouch/flash-image/nvs/value';
import fc from 'fast-check';
import t from 'tap';
import { comparable, nvsValue } from './support/arbitraries.js';

const name = fc.string({ unit: fc.constantFrom(...'abcdefghijklmnop_-.0123456789'), minLength: 1, maxLength: 15 });
const entries = fc.uniqueArray(fc.record({ namespace: name, key: name, value: nvsValue(6000) }), {
  maxLength: 12,
  selector: ({ namespace, key }) => `${namespace}/${key}`,
});
const shown = (list: readonly NvsEntry[]): string[] => list.map(({ namespace, key, value }) => `${namespace}/${key} ${comparable(value)}`);

t.test('what is generated reads back, in order', async () => {
  fc.assert(
    fc.property(entries, (list) => {
      t.same(shown(readNvs(generateNvs(list, 0x20000))), shown(list));
    }),
    { numRuns: 150 },
  );
});

t.test('a string of the greatest length fills a page', async (t) => {
  const list: NvsEntry[] = [
    { namespace: 'n', key: 'a', value: { type: 'string', value: 'x'.repeat(3999) } },
    { namespace: 'n', key: 'b', value: { type: 'u8', value: 1 } },
  ];
  t.same(shown(readNvs(generateNvs(list, 0x4000))), shown(list));
});

t.test('a partition that is only read may be smaller, and has no page to spare', async (t) => {
  const list: NvsEntry[] = [
    { namespace: 'n', key: 'a', value: { type: 'blob', value: Buffer.alloc(3000, 7) } },
    { namespace: 'n', key: 'b', value: { type: 'blob', value: Buffer.alloc(3000, 8) } },
  ];
  const [small, large] = [generateNvs(list, 0x2000), generateNvs(list, 0x3000)];
  t.ok(small.equals(large.subarray(0, 0x2000)), 'the same pages');
  t.same(shown(readNvs(small)), shown(list));
  t.same(shown(readNvs(generateNvs(list.slice(1), 0x1000))), shown(list.slice(1)));
});

t.test('what does not fit is refused', async (t) => {
  const blob = (length: number): NvsEntry => ({ namespace: 'n', key: 'b', value: { type: 'blob', value: Buffer.alloc(length) } });
  t.throws(() => generateNvs([blob(8000)], 0x3000), { code: 'NVS_FULL' });
  t.throws(() => generateNvs([blob(8000)], 0x2000), { code: 'NVS_FULL' });
  t.throws(() => generateNvs([], 0), { code: 'NVS_SIZE' });
  t.throws(() => generateNvs([], 0x3001), { code: 'NVS_SIZE' });
  t.throws(() => generateNvs([{ namespace: 'n', key: 'x'.repeat(16), value: { type: 'u8', value: 1 } }], 0x3000), { code: 'NVS_KEY' });
  t.throws(() => generateNvs([{ namespace: '', key: 'x', value: { type: 'u8', value: 1 } }], 0x3000), { code: 'NVS_KEY' });
  for (const value of [
    { type: 'u8', value: 256 },
    { type: 'i16', value: -32769 },
    { type: 'u32', value: 0.5 },
    { type: 'u64', value: -1n },
    { type: 'string', value: 'x'.repeat(4000) },
    { type: 'string', value: 'a\0b' },
    { type: 'string', value: '\ud800' },
  ] as const) {
    t.throws(() => generateNvs([{ namespace: 'n', key: 'k', value }], 0x3000), { code: 'NVS_VALUE', where: 'NVS entry n/k' });
  }
});
