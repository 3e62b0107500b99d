#!/usr/bin/env node
// Makes a checkout runnable with nothing but Node and npm: installs what the lock file names, builds what is stale.
// Plain JavaScript, because it runs before anything is built. All its chatter goes to stderr: stdout belongs to the command.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { npm } from './npm.mjs';
import { buildPage, isPageStale } from './page.mjs';

const top = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * Installs and builds as far as that is needed; nothing to do costs some milliseconds.
 * @param {string} project the TypeScript project to build, a folder of the checkout (`scripts`, `test`); what it refers to is built with it
 */
export function makeReady(project) {
  const stamp = join(top, 'build', `.ready-${project}`);
  if (installed() && !isStale(project, stamp) && !isPageStale()) return;
  const release = queueUp();
  try {
    makeReadyAlone(project, stamp);
  } finally {
    release();
  }
}

function makeReadyAlone(project, stamp) {
  if (!installed()) run('installing dependencies', ...npm(['ci', '--no-audit', '--no-fund']));
  if (isPageStale()) buildPage();
  const started = new Date();
  if (!isStale(project, stamp)) return;
  run('building', process.execPath, [join(top, 'node_modules', 'typescript', 'bin', 'tsc'), '-b', join(top, project)]);
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, '');
  // A file saved while the compiler ran must count as newer than this build.
  utimesSync(stamp, started, started);
}

/** Waits until no other command of this checkout is installing or building: two at once would delete each other's files. */
function queueUp() {
  const turn = join(top, '.ready.lock');
  for (let said = false; ; said = true) {
    try {
      writeFileSync(turn, String(process.pid), { flag: 'wx' });
      const release = () => rmSync(turn, { force: true });
      process.once('exit', release);
      return release;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (!ownerLives(turn)) rmSync(turn, { force: true });
    else {
      if (!said) process.stderr.write('zerotouch: another command is installing or building; waiting for it\n');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    }
  }
}

function ownerLives(turn) {
  try {
    const pid = Number(readFileSync(turn, 'utf8'));
    // Empty: its owner has made the file and not yet written it.
    if (pid > 0) process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Whether node_modules holds what package-lock.json names. Contents decide, because git does not keep modification times. */
function installed() {
  const lock = join(top, 'package-lock.json');
  const installedLock = join(top, 'node_modules', '.package-lock.json');
  if (!existsSync(installedLock)) return false;
  if (statSync(installedLock).mtimeMs >= statSync(lock).mtimeMs) return true;
  const wanted = Object.entries(packagesOf(lock)).filter(([path, entry]) => path.startsWith('node_modules/') && entry.optional !== true);
  const found = packagesOf(installedLock);
  return wanted.every(([path, entry]) => found[path]?.version === entry.version && found[path]?.link === entry.link);
}

function packagesOf(lock) {
  return JSON.parse(readFileSync(lock, 'utf8')).packages;
}

function isStale(project, stamp) {
  if (!existsSync(stamp)) return true;
  const built = statSync(stamp).mtimeMs;
  const seen = new Set();
  const visit = (folder) => {
    if (seen.has(folder)) return false;
    seen.add(folder);
    // Something deleted `build/` of one room: the stamp alone would not tell.
    if (folder !== join(top, 'test') && !existsSync(join(folder, 'build'))) return true;
    const { references = [] } = JSON.parse(readFileSync(join(folder, 'tsconfig.json'), 'utf8'));
    return isNewer(folder, built) || references.some(({ path }) => visit(join(folder, path)));
  };
  return statSync(join(top, 'tsconfig.base.json')).mtimeMs > built || visit(join(top, project));
}

function isNewer(folder, built) {
  return readdirSync(folder, { withFileTypes: true }).some((entry) => {
    if (entry.name === 'build' || entry.name === 'node_modules') return false;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return isNewer(path, built);
    return /\.ts$|^(package|tsconfig)\.json$/.test(entry.name) && statSync(path).mtimeMs > built;
  });
}

function run(what, command, args) {
  process.stderr.write(`zerotouch: ${what}...\n`);
  const { status, error } = spawnSync(command, args, { cwd: top, stdio: ['ignore', 2, 2] });
  if (status === 0) return;
  process.stderr.write(`zerotouch: ${what} failed${error === undefined ? '' : ` (${error.message})`}; see the lines above\n`);
  process.exit(1);
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  makeReady('test');
  // The command too: else the first test that starts it would hear that it is being built.
  makeReady('scripts');
}
