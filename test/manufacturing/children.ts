import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

/** A burn in a process of its own. */
export interface BurnProcess {
  child: ChildProcess;
  /** Resolves at the first device it has burnt, or at a later one; or when it ends. */
  burning(devices?: number): Promise<void>;
  /** How it ended. */
  end: Promise<{
    code: number | null;
    signal: string | null;
    result: { burnt: number; skipped: number; failed: number } | undefined;
    stderr: string;
  }>;
}

/** What {@link startBurn} burns. */
export interface ChildBurn {
  /** Path of the spec. */
  spec: string;
  out: string;
  /** Address of the ledger. */
  address: string;
  /** Devices after which it is unplugged, by itself: whoever kills from outside may come too late. */
  unplugAfter?: number;
}

/** Starts a station; it joins or resumes the batch. */
export function startBurn({ spec, out, address, unplugAfter = 0 }: ChildBurn): BurnProcess {
  const path = fileURLToPath(new URL('burn-child.js', import.meta.url));
  const child = fork(path, [spec, out, address, '0', String(unplugAfter)], { execArgv: [], stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  const closed = once(child, 'close') as Promise<[number | null, string | null]>;
  const output = Promise.all([child.stdout === null ? '' : text(child.stdout), child.stderr === null ? '' : text(child.stderr)]);
  const end = Promise.all([closed, output]).then(([[code, signal], [stdout, stderr]]) => ({
    code,
    signal,
    stderr,
    result: code === 0 ? (JSON.parse(stdout) as { burnt: number; skipped: number; failed: number }) : undefined,
  }));
  let burnt = 0;
  child.on('message', () => {
    burnt += 1;
  });
  const burning = async (devices = 1): Promise<void> => {
    const over = closed.then(() => true);
    while (burnt < devices) if ((await Promise.race([once(child, 'message'), over])) === true) return;
  };
  return { child, burning, end };
}
