#!/usr/bin/env node
// npm test: tap, with its own arguments.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { TapConfig } from '@tapjs/config';
import { signature } from '@tapjs/test';

const program = createRequire(import.meta.url)
  .resolve('tap/package.json')
  .replace('package.json', 'dist/esm/run.mjs');
const bare = [process.env.NODE_OPTIONS, `--import=${new URL('no-loader.mjs', import.meta.url)}`].filter(Boolean).join(' ');

// A tap that was just installed has all its plugins until it is built, and gives each file of that run their loaders.
if (signature !== (await TapConfig.load()).pluginSignature) tap(['build'], process.env);
process.exitCode = tap(process.argv.slice(2), { ...process.env, NODE_OPTIONS: bare });

function tap(args, env) {
  const { status, error } = spawnSync(process.execPath, [program, ...args], { stdio: 'inherit', env });
  if (error) throw error;
  return status ?? 1;
}
