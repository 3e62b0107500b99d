import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { zerotouch } from '@zerotouch/scripts/command';
import { bareNode } from '../../support/bare-node.js';
import { Lines } from '../../support/lines.js';

const shim = fileURLToPath(new URL('../../../../scripts/zerotouch.mjs', import.meta.url));

/** How a run of the command ended. */
export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** A JSON line of the command; tests look into it by path. */
export type Line = Record<string, unknown>;

/** Starts the real command, as a user would, in the folder given. */
export function start(cwd: string, ...args: string[]): ChildProcess {
  return spawn(...bareNode(shim, ...args), { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Runs the command to its end. */
export function run(cwd: string, ...args: string[]): Promise<Ended> {
  return ending(start(cwd, ...args));
}

let isRunning = false;

/**
 * Runs the command in this process, where nothing is shown that needs one of its own: a tenth of what a process costs. One at a time, for the
 * folder is the process's.
 */
export async function runHere(cwd: string, ...args: string[]): Promise<Ended> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const said = Promise.all([text(stdout), text(stderr)]);
  if (isRunning) throw new Error('one command at a time: await the one before');
  isRunning = true;
  const before = process.cwd();
  process.chdir(cwd);
  try {
    const code = await zerotouch({ args, stdout, stderr, listen: () => new AbortController().signal }).end();
    stdout.end();
    stderr.end();
    const [out, err] = await said;
    return { code, stdout: out, stderr: err };
  } finally {
    isRunning = false;
    process.chdir(before);
  }
}

/** What a process says until it ends. */
export async function ending(child: ChildProcess): Promise<Ended> {
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

/** The JSON lines of a text; anything that is no JSON object fails the test. */
export function jsonLines(text: string): Line[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}

/** The result of a run with `--json`. */
export function lastLine({ stdout }: Ended): Line {
  return jsonLines(stdout).at(-1) ?? {};
}

/** Resolves with the first line on stdout; rejects when the process ends without one. */
export async function firstLine(child: ChildProcess): Promise<string> {
  const lines = new Lines(child.stdout);
  return lines.all[await lines.until(/^/)] ?? '';
}
