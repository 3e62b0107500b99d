import { labelSheets, type SheetOptions } from '@zerotouch/manufacturing/labels/labels';
import fc from 'fast-check';
import t from 'tap';

const device = (number: number) => ({ serial: String(number).padStart(6, '0'), registrationId: `pump-${number}` });

async function sheets(count: number, options: SheetOptions = { symbol: 'qr' }): Promise<string[]> {
  const found: string[] = [];
  for await (const sheet of labelSheets(
    Array.from({ length: count }, (_, index) => device(index + 1)),
    options,
  ))
    found.push(sheet);
  return found;
}

t.test('a sheet in millimetres carries a code, serial and registration id for every device', async (t) => {
  for (const symbol of ['qr', 'data-matrix'] as const) {
    const [sheet = '', ...more] = await sheets(4, { symbol });
    t.strictSame(more, []);
    t.match(sheet, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" width="210mm" height="297mm" viewBox="0 0 210 297"/);
    t.equal(sheet.match(/<g /g)?.length, 4);
    t.equal(sheet.match(/<path /g)?.length, 4, 'a code each');
    for (const number of [1, 2, 3, 4]) {
      t.match(sheet, `>00000${number}</text>`);
      t.match(sheet, `>pump-${number}</text>`);
    }
  }
  const [qr, matrix] = [await sheets(1), await sheets(1, { symbol: 'data-matrix' })];
  t.not(qr[0], matrix[0]);
});

t.test('every device has a code of its own', async (t) => {
  const [sheet = ''] = await sheets(6);
  const paths = [...sheet.matchAll(/<path d="([^"]+)"/g)].map(([, path]) => path);
  t.equal(new Set(paths).size, 6);
});

t.test('as many sheets as it takes, none empty', async (t) => {
  t.strictSame(await sheets(0), []);
  t.equal((await sheets(33)).length, 1);
  const two = await sheets(34);
  t.equal(two.length, 2);
  t.equal(two[1]?.match(/<g /g)?.length, 1);
});

t.test('what would break the sheet is escaped', async (t) => {
  const odd = { serial: '<&">', registrationId: 'p' };
  for await (const sheet of labelSheets([odd], { symbol: 'qr' })) t.match(sheet, '&#60;&#38;&#34;&#62;');
});

t.test('texts stay on their label, whole, however long they are', async (t) => {
  const text = fc.string({ unit: fc.constantFrom(...'abcdefghij0123456789-._:'), minLength: 1, maxLength: 128 });
  await fc.assert(
    fc.asyncProperty(text, text, fc.boolean(), async (serial, registrationId, hasMac) => {
      const mac = '02:00:00:00:00:01';
      const device = { serial, registrationId, ...(hasMac ? { mac } : {}) };
      for await (const sheet of labelSheets([device], { symbol: 'qr' })) {
        const lines = [...sheet.matchAll(/<text x="([\d.]+)" y="([\d.]+)" font-size="([\d.]+)"[^>]*>([^<]*)</g)];
        const drawn = lines.map(([, x, y, size, line = '']) => ({ x: Number(x), y: Number(y), size: Number(size), line }));
        t.equal(drawn.map(({ line }) => line).join(''), `${serial}${registrationId}${hasMac ? `MAC ${mac}` : ''}`);
        const out = drawn.filter(({ x, y, size, line }) => x + line.length * size * 0.6 > 60 || y - size < 0 || y > 25);
        const close = drawn.filter(({ y, size }, index) => index > 0 && y - size < (drawn[index - 1]?.y ?? 0));
        t.strictSame([out, close], [[], []]);
      }
    }),
    { numRuns: 100 },
  );
});
