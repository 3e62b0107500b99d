#!/usr/bin/env node
// Builds the page of the web view, when its sources have changed: `npm run build`, and ready.mjs before the command starts.
import { spawnSync } from 'node:child_process';
import { readdirSync, realpathSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const top = dirname(dirname(fileURLToPath(import.meta.url)));
const room = join(top, 'web-view');
const stamp = join(room, 'build', '.page');

/** Whether the page is missing or older than what it is made of. Costs a look at the dates of its files. */
export function isPageStale() {
  const built = statSync(stamp, { throwIfNoEntry: false })?.mtimeMs;
  return built === undefined || isNewer(room, built);
}

function isNewer(folder, built) {
  return readdirSync(folder, { withFileTypes: true }).some((entry) => {
    if (entry.name === 'build' || entry.name === 'node_modules') return false;
    const path = join(folder, entry.name);
    return entry.isDirectory() ? isNewer(path, built) : statSync(path).mtimeMs > built;
  });
}

/** Builds it into `web-view/build/page`. */
export function buildPage() {
  process.stderr.write('zerotouch: building the page of the web view...\n');
  const started = new Date();
  const vite = join(top, 'node_modules', 'vite', 'bin', 'vite.js');
  const { status, error } = spawnSync(process.execPath, [vite, 'build', room, '--logLevel', 'warn'], { cwd: top, stdio: ['ignore', 2, 2] });
  if (status !== 0) {
    process.stderr.write(`zerotouch: building the page failed${error === undefined ? '' : ` (${error.message})`}; see the lines above\n`);
    process.exit(1);
  }
  writeFileSync(stamp, '');
  // A file saved while it was built must count as newer.
  utimesSync(stamp, started, started);
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url) && isPageStale()) buildPage();
