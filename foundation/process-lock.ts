import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { Fault, isFault } from './fault.js';

/**
 * A file that keeps other processes away from something while this one uses it. It holds the owner's process id, so that what a killed process
 * left behind is taken over at once. Dispose to let go.
 */
export class ProcessLock implements Disposable {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /**
   * Takes the lock, or says who has it.
   * @param path the lock's own file, beside what it keeps
   * @param what for the message: "the image is in use", "a local cloud already runs in this folder"
   * @throws Fault LOCKED when a live process has it, this one included; LOCK_UNUSABLE when the file cannot be made
   */
  static take(path: string, what: string): ProcessLock {
    const own = `${path}.${process.pid}`;
    try {
      writeFileSync(own, String(process.pid), { mode: 0o600 });
      while (!linked(own, path)) {
        const owner = ownerOf(path);
        if (owner !== undefined && isAlive(owner)) throw taken(path, what, owner);
        clearStale(path, own);
      }
      return new ProcessLock(path);
    } catch (cause) {
      if (isFault(cause)) throw cause;
      throw new Fault('LOCK_UNUSABLE', 'the lock file cannot be made', {
        where: path,
        seen: (cause as Error).message,
        expected: 'a folder that this process may write into, with a little room',
        cause,
      });
    } finally {
      rmSync(own, { force: true });
    }
  }

  [Symbol.dispose](): void {
    if (ownerOf(this.#path) === process.pid) rmSync(this.#path, { force: true });
  }
}

// A link appears whole or not at all: nobody ever reads a lock without its owner.
function linked(own: string, path: string): boolean {
  try {
    linkSync(own, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

// Two processes may find the same dead owner. Whoever moves the file away looks at what it got: a live owner's lock goes back.
function clearStale(path: string, own: string): void {
  const aside = `${own}.stale`;
  try {
    renameSync(path, aside);
  } catch {
    return;
  }
  const owner = ownerOf(aside);
  if (owner !== undefined && isAlive(owner)) {
    try {
      linkSync(aside, path);
    } catch {
      // A third process has it by now.
    }
  }
  rmSync(aside, { force: true });
}

function taken(path: string, what: string, owner: number): Fault {
  return new Fault('LOCKED', `${what} (process ${owner})`, {
    where: path.replace(/\.lock$/, ''),
    remedy: `end process ${owner}, or wait for it; if it has nothing to do with this, remove ${path}`,
  });
}

function ownerOf(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(path, 'utf8'));
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
