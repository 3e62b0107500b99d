import { generate } from 'json-merge-patch';

/** The JSON merge patch (RFC 7396) that makes one object the other: what went is `null`. */
export function patchBetween(before: object, after: object): Record<string, unknown> {
  return (generate(before, after) as Record<string, unknown> | undefined) ?? {};
}
