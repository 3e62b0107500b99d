import { seededEntropy, systemEntropy } from '@zerotouch/foundation/entropy';
import fc from 'fast-check';
import t from 'tap';

t.test('both generators give as many bytes as were asked for, and units in [0, 1)', async (t) => {
  fc.assert(
    fc.property(fc.nat({ max: 4096 }), fc.string(), (count, seed) => {
      for (const entropy of [systemEntropy, seededEntropy(seed)]) {
        const unit = entropy.unit();
        if (entropy.bytes(count).length !== count || unit < 0 || unit >= 1) return false;
      }
      return true;
    }),
  );
  t.pass('held for every sample');
});

t.test('a seed gives the same sequence, in whatever portions it is taken', async (t) => {
  fc.assert(
    fc.property(fc.string(), fc.array(fc.nat({ max: 100 }), { maxLength: 20 }), (seed, portions) => {
      const total = portions.reduce((sum, portion) => sum + portion, 0);
      const piecemeal = seededEntropy(seed);
      return Buffer.concat(portions.map((portion) => piecemeal.bytes(portion))).equals(seededEntropy(seed).bytes(total));
    }),
  );
  t.pass('held for every sample');
});

t.test('other seeds give other bytes, and what was handed out stays what it was', async (t) => {
  t.notSame(seededEntropy('a').bytes(32), seededEntropy('b').bytes(32));
  const entropy = seededEntropy('a');
  const first = entropy.bytes(8);
  first.fill(0);
  t.same(seededEntropy('a').bytes(16).subarray(8), entropy.bytes(8), 'a caller that writes into its bytes changes nobody else’s');
});
