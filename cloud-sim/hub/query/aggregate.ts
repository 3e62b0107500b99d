import { compile, type Evaluate, type Row } from './compile.js';
import { QueryFault } from './fault.js';
import { type Aggregate, type Column, type Expression, isAggregate } from './syntax.js';

/** Gathers the values of many rows into one. */
interface Gathering {
  add(row: Row): void;
  result(): unknown;
}

/** What a query with GROUP BY, or with a function over many rows, finds. */
export class Grouping {
  readonly #keys: readonly (readonly string[])[];
  readonly #columns: readonly { name: string; make: () => Gathering }[];
  readonly #groups = new Map<string, Gathering[]>();

  /** @throws QueryFault for a column that is neither gathered nor grouped by */
  constructor(columns: readonly Column[], groupBy: readonly (readonly string[])[]) {
    this.#keys = groupBy;
    this.#columns = columns.map(({ name, expression }) => ({ name, make: gatherer(expression, groupBy) }));
  }

  add(row: Row): void {
    const key = JSON.stringify(this.#keys.map((path) => row.value(path) ?? null));
    let gatherings = this.#groups.get(key);
    if (gatherings === undefined) {
      gatherings = this.#columns.map(({ make }) => make());
      this.#groups.set(key, gatherings);
    }
    for (const gathering of gatherings) gathering.add(row);
  }

  /** A result a group, in order of the values grouped by; without GROUP BY there is one, also of no rows. */
  results(): Record<string, unknown>[] {
    if (this.#keys.length === 0 && this.#groups.size === 0)
      this.#groups.set(
        '[]',
        this.#columns.map(({ make }) => make()),
      );
    return [...this.#groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, gatherings]) => this.#result(gatherings));
  }

  #result(gatherings: readonly Gathering[]): Record<string, unknown> {
    const entries = this.#columns.map(({ name }, index): [string, unknown] => [name, gatherings[index]?.result()]);
    return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
  }
}

function gatherer(expression: Expression, groupBy: readonly (readonly string[])[]): () => Gathering {
  if (isAggregate(expression)) {
    const { name, args, at } = expression;
    if (args.length > 1 || (args.length === 0 && name !== 'count')) throw new QueryFault(`${name.toUpperCase()} takes one argument`, at);
    const of = args[0] === undefined ? undefined : compile(args[0]);
    return () => gathering(name as Aggregate, of);
  }
  const grouped = expression.kind === 'path' && groupBy.some((path) => path.join('.') === expression.path.join('.'));
  if (!grouped) throw new QueryFault('a column beside a function over many rows must be one that the query groups by');
  const of = compile(expression);
  return () => {
    let first: unknown;
    let seen = false;
    return {
      add(row) {
        if (!seen) first = of(row);
        seen = true;
      },
      result: () => first,
    };
  };
}

function gathering(kind: Aggregate, of: Evaluate | undefined): Gathering {
  let [count, sum] = [0, 0];
  let [least, most]: [number | undefined, number | undefined] = [undefined, undefined];
  return {
    add(row) {
      const value = of === undefined ? 1 : of(row);
      if (kind === 'count') {
        if (value !== undefined) count++;
        return;
      }
      if (typeof value !== 'number') return;
      count++;
      sum += value;
      least = least === undefined ? value : Math.min(least, value);
      most = most === undefined ? value : Math.max(most, value);
    },
    result() {
      if (kind === 'count') return count;
      if (count === 0) return undefined;
      return { sum, avg: sum / count, min: least, max: most }[kind];
    },
  };
}
