import { spawnSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lockImages } from '@zerotouch/fleet-sim/image-locks';
import t from 'tap';

t.test('images are held by one, all or none, until they are given back', async (t) => {
  const folder = t.testdir();
  const [one, other] = [join(folder, 'a.bin'), join(folder, 'b.bin')];
  {
    using _ = lockImages([one]);
    t.throws(() => lockImages([other, one]), { code: 'LOCKED', where: one, message: new RegExp(`process ${process.pid}`) });
    t.strictSame(readdirSync(folder), ['a.bin.lock']);
  }
  writeFileSync(`${one}.lock`, String(spawnSync(process.execPath, ['-e', '']).pid));
  lockImages([one, other])[Symbol.dispose]();
  t.strictSame(readdirSync(folder), [], 'a process that is gone holds nothing');
});
