import { isJsonObject, type JsonObject, type JsonValue, mergeTwin, withoutService } from '@zerotouch/azure-wire/twin';
import fc from 'fast-check';
import t from 'tap';

const { json } = fc.letrec<{ json: JsonValue; object: JsonObject }>((tie) => ({
  json: fc.oneof(
    { depthSize: 'small' },
    fc.constant(null),
    fc.boolean(),
    fc.integer(),
    fc.string(),
    fc.array(tie('json'), { maxLength: 3 }),
    tie('object'),
  ),
  object: fc.dictionary(fc.constantFrom('a', 'b', 'c', '__proto__', 'constructor', '$version'), tie('json')),
}));
const object = json.filter(isJsonObject);

t.test('the rules of the twin: merge, remove, replace', async (t) => {
  t.same(mergeTwin({ a: 1, b: { c: 2, d: 3 }, e: 4 }, { a: null, b: { c: null, x: 5 }, e: [6], f: { g: null } }), {
    b: { d: 3, x: 5 },
    e: [6],
    f: {},
  });
  t.same(mergeTwin({ a: 1 }, { a: { b: 2 } }), { a: { b: 2 } });
  t.same(mergeTwin({ a: { b: 2 } }, { a: 1 }), { a: 1 });
  t.same(
    mergeTwin({ $version: 3, a: 1 }, { $version: 9, $metadata: {} }),
    { $version: 3, a: 1 },
    'the service’s own members are not the device’s to set',
  );
});

t.test('a merge changes neither argument, leaves no null of the patch and no prototype changed', async (t) => {
  fc.assert(
    fc.property(object, object, (section, patch) => {
      const before = [JSON.stringify(section), JSON.stringify(patch)];
      const merged = mergeTwin(section, patch);
      t.same([JSON.stringify(section), JSON.stringify(patch)], before);
      t.equal(Object.getPrototypeOf(merged), Object.prototype);
      for (const [key, value] of Object.entries(patch)) {
        if (value === null && !key.startsWith('$')) t.notOk(Object.hasOwn(merged, key));
      }
      return true;
    }),
    { numRuns: 60 },
  );
});

t.test('a patch laid on twice is a patch laid on once', async (t) => {
  fc.assert(
    fc.property(object, object, (section, patch) => {
      const once = mergeTwin(section, patch);
      return JSON.stringify(mergeTwin(once, patch)) === JSON.stringify(once);
    }),
  );
  t.pass('held for every sample');
});

t.test('what is a JSON object, and what is left without the service’s members', async (t) => {
  t.ok(isJsonObject({}));
  for (const value of [null, [], 'a', 1, undefined]) t.notOk(isJsonObject(value));
  t.same(withoutService({ a: 1, $version: 2, $metadata: {} }), { a: 1 });
});
