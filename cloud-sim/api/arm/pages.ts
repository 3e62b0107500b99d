import { armChoices } from './choices.js';
import { badRequest } from './errors.js';
import type { ArmAnswer, ArmCall } from './route.js';

/**
 * Some of a list, and where the rest is.
 * @param items each with an id, in any order
 * @param path that was asked for
 */
export function pageOf<T extends { id: string }>(items: readonly T[], path: string, { origin, apiVersion, query }: ArmCall): ArmAnswer {
  const size = sizeOf(query.$top);
  const after = query.$skiptoken ?? '';
  const key = ({ id }: T): string => id.toLowerCase();
  const sorted = [...items].sort((a, b) => (key(a) < key(b) ? -1 : 1)).filter((item) => key(item) > after);
  const value = sorted.slice(0, size);
  const last = value.at(-1);
  if (last === undefined || sorted.length <= size) return { body: { value } };
  const next = new URLSearchParams({ 'api-version': apiVersion, $top: String(size), $skiptoken: key(last) });
  return { body: { value, nextLink: `${origin}${path}?${next.toString()}` } };
}

function sizeOf(top: string | undefined): number {
  if (top === undefined) return armChoices.pageItems.value;
  const size = Number(top);
  if (Number.isInteger(size) && size >= 1) return Math.min(size, armChoices.pageItems.value);
  throw badRequest('$top must be a whole number, at least 1');
}
