import { labelSheets, type SheetOptions } from '@zerotouch/manufacturing/labels/labels';
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

t.test('what would break the sheet is escaped, and what is too long is drawn closer', async (t) => {
  const odd = { serial: '<&">', registrationId: 'p'.repeat(64) };
  for await (const sheet of labelSheets([odd], { symbol: 'qr' })) {
    t.match(sheet, '&#60;&#38;&#34;&#62;');
    t.match(sheet, /textLength="\d+"/);
  }
});
