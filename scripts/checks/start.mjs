// Runs `npm start` and expects every device of the demo to be running.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { npm } from '../npm.mjs';

const top = fileURLToPath(new URL('../..', import.meta.url));
const out = mkdtempSync(join(tmpdir(), 'zerotouch-start-'));
try {
  const { status, stdout } = spawnSync(...npm(['start', '--silent', '--', '--json', '--out', join(out, 'demo')]), {
    cwd: top,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const last = stdout.trim().split('\n').at(-1) ?? '';
  const { devices, running } = last.startsWith('{') ? JSON.parse(last) : {};
  if (status !== 0 || devices !== 40 || running !== 40) throw new Error(`npm start ended with ${status} and ${last || 'no result'}`);
  console.log(`${running} of ${devices} running`);
} finally {
  rmSync(out, { recursive: true });
}
