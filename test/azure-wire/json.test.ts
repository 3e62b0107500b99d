import { parseJson } from '@zerotouch/azure-wire/json';
import fc from 'fast-check';
import t from 'tap';

t.test('JSON in bytes is read, whatever it says', async (t) => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      t.same(parseJson(new TextEncoder().encode(text)), JSON.parse(text));
    }),
    { numRuns: 50 },
  );
});

t.test('a piece of a larger buffer is read as that piece', async (t) => {
  t.same(parseJson(new TextEncoder().encode('[{"ü":1}]').subarray(1, -1)), { ü: 1 });
});

t.test('bytes that are no JSON say nothing', async (t) => {
  for (const text of ['', '{', '{"a":1}}', 'undefined', "{'a':1}"]) t.equal(parseJson(new TextEncoder().encode(text)), undefined, text);
  t.equal(parseJson(Uint8Array.of(0xff, 0xfe, 0x00)), undefined);
  t.equal(parseJson(new TextEncoder().encode('null')), null, 'null is JSON');
});
