import { type Evidence, evidenceMatrix } from '@zerotouch/firmware-sim/transport/evidence-matrix';
import type { Test } from 'tap';

type Row = keyof typeof evidenceMatrix;
type Call = keyof Evidence;

/** What was seen of one row of the evidence matrix: each word must be in it, and in the end each of its words must have been seen. */
export class Observed {
  readonly #row: Row;
  readonly #seen = new Map<Call, Set<string>>();

  constructor(row: Row) {
    this.#row = row;
  }

  /** Fails when the matrix says that this cannot be. */
  note(t: Test, call: Call, outcome: string, story: string): void {
    const seen = this.#seen.get(call) ?? new Set();
    this.#seen.set(call, seen.add(outcome));
    t.ok(this.#words(call).includes(outcome), `${story}: ${call} may be ${outcome}`);
  }

  /** Fails when a word of the matrix was never provoked. */
  whole(t: Test, ...calls: readonly Call[]): void {
    for (const call of calls)
      t.strictSame(
        [...(this.#seen.get(call) ?? [])].sort(),
        [...this.#words(call)].sort(),
        `${this.#row} ${call}: every word was provoked`,
      );
  }

  #words(call: Call): readonly string[] {
    const evidence: Evidence = evidenceMatrix[this.#row];
    return evidence[call] ?? [];
  }
}
