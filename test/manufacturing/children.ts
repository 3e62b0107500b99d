import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

/** A burn in a process of its own. */
export interface BurnProcess {
  child: ChildProcess;
  /** Resolves at the first device it has burnt, or at a later one; or when it ends. */
  burning(devices?: number): Promise<void>;
  /** Resolves when its disk stands still, or when it ends. */
  stalled: Promise<void>;
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
  /** Images after which its disk stands still: it then keeps what it has in hand until it is killed. */
  stallAfter?: number;
}

/** Starts a station; it joins or resumes the batch. */
export function startBurn({ spec, out, address, stallAfter = 0 }: ChildBurn): BurnProcess {
  const path = fileURLToPath(new URL('burn-child.js', import.meta.url));
  const child = fork(path, [spec, out, address, '0', String(stallAfter)], { execArgv: [], stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  const closed = once(child, 'close') as Promise<[number | null, string | null]>;
  const output = Promise.all([child.stdout === null ? '' : text(child.stdout), child.stderr === null ? '' : text(child.stderr)]);
  const end = Promise.all([closed, output]).then(([[code, signal], [stdout, stderr]]) => ({
    code,
    signal,
    stderr,
    result: code === 0 ? (JSON.parse(stdout) as { burnt: number; skipped: number; failed: number }) : undefined,
  }));
  let burnt = 0;
  let isStalled = false;
  child.on('message', (message) => {
    if (message === 'stalled') isStalled = true;
    else burnt += 1;
  });
  const until = async (isSo: () => boolean): Promise<void> => {
    const over = closed.then(() => true);
    while (!isSo()) if ((await Promise.race([once(child, 'message'), over])) === true) return;
  };
  return { child, burning: (devices = 1) => until(() => burnt >= devices), stalled: until(() => isStalled), end };
}
