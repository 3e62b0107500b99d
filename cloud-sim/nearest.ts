/** Longest text that is compared character by character. */
const MAX_LENGTH = 200;

/**
 * Number of characters to insert, delete, replace, or swap with their neighbour to make one text of the other (optimal string alignment). Pure.
 * @returns at most the length of the longer text
 */
export function editDistance(a: string, b: string): number {
  const [left, right] = [a.slice(0, MAX_LENGTH), b.slice(0, MAX_LENGTH)];
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  let above: number[] = [];
  for (let i = 1; i <= left.length; i++) {
    const next = [i];
    for (let j = 1; j <= right.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (left[i - 1] === right[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && left[i - 1] === right[j - 2] && left[i - 2] === right[j - 1] ? (above[j - 2] ?? 0) + 1 : replaced;
      next.push(Math.min(replaced, swapped, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    above = row;
    row = next;
  }
  return row[right.length] ?? 0;
}

/** The text that takes the fewest changes; the first of equals. `undefined` when there is none to choose from. Pure. */
export function nearestOf(text: string, candidates: Iterable<string>): string | undefined {
  let best: { candidate: string; distance: number } | undefined;
  for (const candidate of candidates) {
    const distance = editDistance(text.toLowerCase(), candidate.toLowerCase());
    if (best === undefined || distance < best.distance) best = { candidate, distance };
  }
  return best?.candidate;
}

/** What a text differs in from another one, for people. Pure. */
export function difference(seen: string, wanted: string): string {
  if (seen === wanted) return 'is the same';
  if (seen.toLowerCase() === wanted.toLowerCase()) return 'differs in upper and lower case only';
  if (seen.trim() === wanted.trim()) return 'differs in spaces around it';
  const at = firstDifference(seen, wanted);
  const changes = editDistance(seen, wanted);
  const [here, there] = [seen[at], wanted[at]].map((character) => (character === undefined ? 'the end' : JSON.stringify(character)));
  return `differs in ${changes} place${changes === 1 ? '' : 's'}, first at ${at + 1}: ${here} instead of ${there}`;
}

/** A value that would have passed and what the one seen differs in, in one line. Pure. */
export function nearestWords(seen: string, candidates: Iterable<string>): string | undefined {
  const nearest = nearestOf(seen, candidates);
  return nearest === undefined ? undefined : `${JSON.stringify(nearest)}; ${difference(seen, nearest)}`;
}

function firstDifference(a: string, b: string): number {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  return at;
}
