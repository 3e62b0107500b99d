import { deriveNvsKeys } from '@zerotouch/flash-image/efuse';
import t from 'tap';
import { stories } from '../firmware-sim/boot/power-cut-stories.js';
import { type Cuts, cutEverywhere } from '../firmware-sim/boot/power-cuts.js';

const cuts: Cuts = { count: 0, lost: [] };

for (const [kind, keys] of [['plain'], ['encrypted', deriveNvsKeys(Buffer.alloc(32, 7))]] as const) {
  for (const story of stories(keys)) {
    t.test(`${story.name}, ${kind}: after every word, in every word, and again during what is repaired then`, async (t) => {
      const before = cuts.count;
      await cutEverywhere(story, { story: 1, repairs: kind === 'plain' ? 1 : 5, boot: 23 }, cuts);
      t.strictSame(cuts.lost, [], `${cuts.count - before} cuts, none lost`);
    });
  }
}

t.test('in all', async (t) => {
  t.comment(`${cuts.count} power cuts, ${cuts.lost.length} devices lost`);
  t.ok(cuts.count > 20_000);
});
