/**
 * The CAs that may stand above a device, from the top down: the root, an intermediate for each line (enrolment group), an intermediate for each
 * batch below that. A batch may leave any of them out; the highest one that is there signs itself.
 */
export const authorityLevels = ['root', 'line', 'batch'] as const;
/** One of {@link authorityLevels}. */
export type AuthorityLevel = (typeof authorityLevels)[number];

/** The levels of a batch that says nothing about them. */
export const DEFAULT_LEVELS: readonly AuthorityLevel[] = ['root', 'line'];

/** The line that signs devices without an enrolment group. */
export const INDIVIDUAL_LINE = '';

/** Name of the files of a CA, without extension, and of its key in a token. Neither batches nor groups have an `@` in their names. */
export function authorityStem(level: AuthorityLevel, line: string, batch: string): string {
  const group = line.replaceAll(':', '%3A');
  if (level === 'root') return 'root';
  if (level === 'line') return line === INDIVIDUAL_LINE ? 'line' : `line-${group}`;
  return line === INDIVIDUAL_LINE ? `batch-${batch}` : `batch-${batch}@${group}`;
}

/** The CA that an enrolment group is for, unless its spec says otherwise: the line outlives its batches, so that DPS needs to learn nothing new. */
export function defaultEnrolmentLevel(levels: readonly AuthorityLevel[]): AuthorityLevel {
  return (['line', 'batch', 'root'] as const).find((level) => levels.includes(level)) ?? 'root';
}
