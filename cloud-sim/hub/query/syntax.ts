/** Value of a literal. */
export type Literal = string | number | boolean | null | undefined;

/** An expression of the query language. */
export type Expression =
  | { kind: 'literal'; value: Literal }
  | { kind: 'list'; items: Expression[] }
  | { kind: 'path'; path: string[] }
  | { kind: 'not'; of: Expression }
  | { kind: 'negative'; of: Expression }
  | { kind: 'binary'; operator: BinaryOperator; left: Expression; right: Expression }
  | { kind: 'call'; name: string; args: Expression[]; at: number };

export type BinaryOperator = 'and' | 'or' | '=' | '!=' | '<' | '<=' | '>' | '>=' | '+' | '-' | '*' | '/' | '%' | 'in' | 'nin';

/** What a column shows, and its name in the result. */
export interface Column {
  name: string;
  expression: Expression;
}

/** A query that was read. */
export interface Query {
  /** `undefined`: everything (`*`). */
  columns: Column[] | undefined;
  top: number | undefined;
  from: 'devices' | 'devices.modules';
  where: Expression | undefined;
  groupBy: string[][];
}

/** Functions over many rows. */
export const AGGREGATES = ['count', 'avg', 'sum', 'min', 'max'] as const;
export type Aggregate = (typeof AGGREGATES)[number];

/** Whether a call is one over many rows. */
export function isAggregate(expression: Expression): expression is Expression & { kind: 'call' } {
  return expression.kind === 'call' && AGGREGATES.includes(expression.name as Aggregate);
}
