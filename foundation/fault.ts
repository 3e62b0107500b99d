/** What a {@link Fault} tells besides its message; every part is safe to print (never a secret). */
export interface FaultDetails {
  /** Where it is wrong: a file, line, field, partition or offset, as a person would look for it. */
  where?: string;
  /** The value that was found. */
  seen?: unknown;
  /** What would have been accepted. */
  expected?: string;
  /** What the reader can do about it. */
  remedy?: string;
  /** The error underneath, kept for `--debug`. */
  cause?: unknown;
}

/**
 * The base of every error this project throws on purpose.
 *
 * `code` is stable and upper-case (`NVS_PAGE_CRC`); rooms narrow it to a union of their own. `message` is one line made from
 * the summary and the details, fit to be shown to a user as it is.
 */
export class Fault<Code extends string = string> extends Error {
  readonly code: Code;
  readonly where: string | undefined;
  readonly seen: unknown;
  readonly expected: string | undefined;
  readonly remedy: string | undefined;

  constructor(code: Code, summary: string, details: FaultDetails = {}) {
    super(oneLine(summary, details), details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.code = code;
    this.where = details.where;
    this.seen = details.seen;
    this.expected = details.expected;
    this.remedy = details.remedy;
  }
}

/**
 * Whether a caught value is a {@link Fault}, told by its shape and not by its class: bundles and duplicate installs
 * would make `instanceof` lie.
 */
export function isFault(value: unknown): value is Fault {
  return value instanceof Error && typeof (value as { code?: unknown }).code === 'string' && 'remedy' in value && 'expected' in value;
}

function oneLine(summary: string, { where, seen, expected, remedy }: FaultDetails): string {
  const head = where === undefined ? summary : `${where}: ${summary}`;
  const parts = [head];
  if (seen !== undefined) parts.push(`seen ${show(seen)}`);
  if (expected !== undefined) parts.push(`expected ${expected}`);
  if (remedy !== undefined) parts.push(remedy);
  return parts.join('; ').replace(/\s*[\r\n]+\s*/g, ' ');
}

function show(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return String(value);
  const text = typeof value === 'string' ? JSON.stringify(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}
