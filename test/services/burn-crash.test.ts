import { join } from 'node:path';
import t from 'tap';
import { folderOf, KILLS, killedBurn, spec } from './killed-burn.js';

t.test(`killed at ${KILLS} random moments, SQLite`, async (t) => {
  const folder = folderOf('sqlite');
  await killedBurn(t, { spec, out: join(folder, 'batch'), address: `sqlite:${join(folder, 'ledger.db')}` }, 'sqlite');
});
