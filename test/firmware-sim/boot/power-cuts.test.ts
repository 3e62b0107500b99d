import { deriveNvsKeys } from '@zerotouch/flash-image/efuse';
import t from 'tap';
import { stories } from './power-cut-stories.js';
import { type Cuts, cutEverywhere } from './power-cuts.js';

// The whole of it is a service test: it takes minutes.
for (const [kind, keys] of [['plain'], ['encrypted', deriveNvsKeys(Buffer.alloc(32, 7))]] as const) {
  for (const story of stories(keys)) {
    t.test(`${story.name}, ${kind}`, async (t) => {
      const cuts: Cuts = { count: 0, lost: [] };
      await cutEverywhere(story, { story: 11, repairs: 17, boot: 101 }, cuts);
      t.strictSame(cuts.lost, [], `${cuts.count} cuts, none lost`);
      t.ok(cuts.count > 50);
    });
  }
}
