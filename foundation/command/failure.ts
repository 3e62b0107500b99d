import { Fault, isFault } from '../fault.js';

/** Exit codes of our commands; the whole contract. */
export const EXIT = {
  done: 0,
  /** The work ran and found failures; or something broke that is nobody's input. */
  failed: 1,
  /** Bad usage or bad input. */
  badInput: 2,
  /** A service could not be reached, or did not answer in time. */
  unreachable: 3,
  /** Ended by Ctrl-C. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Codes of faults, of whatever room, that no better input would have prevented: the work itself went wrong. Every other fault is bad input. */
const WORK_FAILED = new Set<string>([
  'READ_BACK',
  'CLAIM_LOST',
  'BOOT_REFUSED',
  'BOOT_SAFE_MODE',
  'UPDATE_FAILED',
  'NO_AGENT',
  'SHARD_LOST',
  'CALL_FAILED',
]);

/** Faults and system errors that say "nobody answered". */
const NO_ANSWER = new Set<string>([
  'LEDGER_UNREACHABLE',
  'QUEUE_UNREACHABLE',
  'BOOT_UNREACHABLE',
  'NO_LOCAL_CLOUD',
  'DPS_UNREACHABLE',
  'CALL_THROTTLED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'EPIPE',
]);

/** System errors about a path or an address the user named: their input, not our defect. */
const USERS_OWN = new Set<string>([
  'ENOENT',
  'EACCES',
  'EPERM',
  'EISDIR',
  'ENOTDIR',
  'EEXIST',
  'ENOSPC',
  'EROFS',
  'EADDRINUSE',
  'EADDRNOTAVAIL',
]);

/** The exit code an error leads to. */
export function exitCodeOf(error: unknown): ExitCode {
  const code = codeOf(error);
  if (code === undefined) return EXIT.failed;
  if (NO_ANSWER.has(code)) return EXIT.unreachable;
  if (WORK_FAILED.has(code)) return EXIT.failed;
  return isFault(error) || USERS_OWN.has(code) ? EXIT.badInput : EXIT.failed;
}

/** What the command `name` prints about an error: one line, or the whole of it with `--debug`. */
export function explain(name: string, error: unknown, debug: boolean): string {
  const message = error instanceof Error ? error.message : String(error);
  const line = `${name}: ${message.trim().replace(/\s*[\r\n]+\s*/g, ' ') || 'failed without a message; run it again with --debug'}`;
  return debug && error instanceof Error ? `${line}\n${traceOf(error)}` : line;
}

/**
 * Does something with the contents of a file, and names the file in every fault that comes of it: readers of contents know the place in them,
 * not where they came from.
 */
export async function inFile<T>(path: string, act: () => T | Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (cause) {
    throw naming(path, cause);
  }
}

/** {@link inFile} for work that does not wait. */
export function inFileSync<T>(path: string, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    throw naming(path, cause);
  }
}

function naming(path: string, cause: unknown): unknown {
  // What could not even be opened says its path itself.
  return isFault(cause) && cause.where !== path ? new Fault(cause.code, cause.message, { where: path, cause }) : cause;
}

function traceOf(error: Error): string {
  const own = error.stack ?? '';
  return error.cause instanceof Error ? `${own}\ncaused by: ${traceOf(error.cause)}` : own;
}

function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  return typeof code === 'string' ? code : undefined;
}
