#!/usr/bin/env node
// npm test: tap, with its own arguments.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';

const tap = createRequire(import.meta.url)
  .resolve('tap/package.json')
  .replace('package.json', 'dist/esm/run.mjs');
const options = [process.env.NODE_OPTIONS, `--import=${new URL('no-loader.mjs', import.meta.url)}`].filter(Boolean).join(' ');
const { status, error } = spawnSync(process.execPath, [tap, ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: { ...process.env, NODE_OPTIONS: options },
});
if (error) throw error;
process.exitCode = status ?? 1;
