import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { seededEntropy } from '@zerotouch/foundation/entropy';
import { openLedger } from '@zerotouch/manufacturing/ledger/ledger';
import t, { type Test } from 'tap';
import { type ChildBurn, startBurn } from '../manufacturing/children.js';
import { batchProblems } from '../manufacturing/whole-batch.js';
import { certified } from '../manufacturing/workbench.js';
import { folderInMemory } from '../support/folder-in-memory.js';

/** Fewer of both make a short run of the same. */
export const IMAGES = Number(process.env.ZT_TEST_IMAGES ?? 2_000);
export const KILLS = Number(process.env.ZT_TEST_KILLS ?? 200);

/** Of the images that a burn is let write before it is killed. */
const FEW = IMAGES / KILLS / 2;

const place = folderInMemory(t);
/** The spec that is burnt. */
export const spec = join(place, 'spec.yaml');
writeFileSync(spec, certified('', IMAGES));

/** A new folder, in memory where there is one. */
export const folderOf = (name: string): string => {
  const folder = join(place, name);
  mkdirSync(folder);
  return folder;
};

/** Kills a burn again and again, resumes it each time, and looks whether what comes out is whole. */
export async function killedBurn(t: Test, batch: ChildBurn, seed: string): Promise<void> {
  const entropy = seededEntropy(seed);
  let landed = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    const { child, burning, end } = startBurn(batch);
    // Half of them early: while it starts, plans, prepares or takes over; half while images are written, so few that it is never done too soon.
    if (kill % 2 === 0) await Promise.race([sleep(100 + entropy.unit() * 900), burning()]);
    else await burning(1 + Math.floor(entropy.unit() * FEW));
    child.kill('SIGKILL');
    if ((await end).signal === 'SIGKILL') landed++;
  }
  t.comment(`${landed} of ${KILLS} kills met a running burn (seed ${seed})`);
  t.ok(landed > KILLS / 2, 'most kills met a running burn');
  const { code, result, stderr } = await startBurn(batch).end;
  t.equal(code, 0, stderr);
  t.equal((result?.burnt ?? 0) + (result?.skipped ?? 0), IMAGES);
  const ledger = await openLedger(batch.address);
  t.strictSame(await ledger.counts('certified'), { verified: IMAGES });
  t.strictSame(await batchProblems(batch.out, ledger, 'certified', IMAGES), []);
  await ledger.close();
  rmSync(batch.out, { recursive: true });
}
