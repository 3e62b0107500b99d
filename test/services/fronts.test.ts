// Everything that holds of a cloud holds as well when its TLS is done by processes of their own.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const folder = fileURLToPath(new URL('../cloud-sim', import.meta.url));

const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.test.js'));
t.ok(files.length > 20);
for (const file of files) {
  t.test(`${file} through two fronts`, async (t) => {
    const env = { ...process.env, ZT_TEST_WORKERS: '2' };
    const { status, stdout } = spawnSync(process.execPath, ['--enable-source-maps', join(folder, file)], { env, encoding: 'utf8' });
    const failed = Math.max(0, stdout.search(/^ *not ok/m));
    t.equal(status, 0, status === 0 ? 'passes' : stdout.slice(failed, failed + 2000));
  });
}
