import { QueryFault } from './fault.js';
import { functionOf } from './functions.js';
import { AGGREGATES, type Aggregate, type BinaryOperator, type Expression } from './syntax.js';

/** Something with values by path. */
export interface Row {
  value(path: readonly string[]): unknown;
}

/** An expression made ready to be evaluated; `undefined` where it has no value. */
export type Evaluate = (row: Row) => unknown;

/**
 * Makes an expression of one row ready.
 * @throws QueryFault for a function that does not exist, or one over many rows
 */
export function compile(expression: Expression): Evaluate {
  switch (expression.kind) {
    case 'literal':
      return () => expression.value;
    case 'list': {
      const items = expression.items.map(compile);
      return (row) => items.map((item) => item(row));
    }
    case 'path':
      return (row) => row.value(expression.path);
    case 'not': {
      const of = compile(expression.of);
      return (row) => inverted(of(row));
    }
    case 'negative': {
      const of = compile(expression.of);
      return (row) => {
        const value = of(row);
        return typeof value === 'number' ? -value : undefined;
      };
    }
    case 'binary':
      return binary(expression.operator, compile(expression.left), compile(expression.right));
    case 'call': {
      const { name, args, at } = expression;
      if (AGGREGATES.includes(name as Aggregate))
        throw new QueryFault(`${name.toUpperCase()} goes over many rows: it belongs into SELECT`, at);
      return functionOf(name, args.map(compile), at);
    }
  }
}

/** Every path that an expression reads. */
export function pathsOf(expression: Expression): string[][] {
  switch (expression.kind) {
    case 'literal':
      return [];
    case 'path':
      return [expression.path];
    case 'list':
      return expression.items.flatMap(pathsOf);
    case 'not':
    case 'negative':
      return pathsOf(expression.of);
    case 'binary':
      return [...pathsOf(expression.left), ...pathsOf(expression.right)];
    case 'call':
      return expression.args.flatMap(pathsOf);
  }
}

// A comparison with what is not there is neither true nor false: it stays so when it is negated.
function binary(operator: BinaryOperator, left: Evaluate, right: Evaluate): Evaluate {
  switch (operator) {
    case 'and':
      return (row) => {
        const first = left(row);
        if (first === false) return false;
        const second = right(row);
        if (second === false) return false;
        return first === true && second === true ? true : undefined;
      };
    case 'or':
      return (row) => {
        const first = left(row);
        if (first === true) return true;
        const second = right(row);
        if (second === true) return true;
        return first === false && second === false ? false : undefined;
      };
    case 'in':
      return (row) => contains(left(row), right(row));
    case 'nin':
      return (row) => inverted(contains(left(row), right(row)));
    case '=':
      return (row) => equal(left(row), right(row));
    case '!=':
      return (row) => inverted(equal(left(row), right(row)));
    case '<':
      return (row) => compared(left(row), right(row), (order) => order < 0);
    case '<=':
      return (row) => compared(left(row), right(row), (order) => order <= 0);
    case '>':
      return (row) => compared(left(row), right(row), (order) => order > 0);
    case '>=':
      return (row) => compared(left(row), right(row), (order) => order >= 0);
    default:
      return (row) => calculated(operator, left(row), right(row));
  }
}

function inverted(value: unknown): boolean | undefined {
  return typeof value === 'boolean' ? !value : undefined;
}

function equal(left: unknown, right: unknown): boolean | undefined {
  if (left === undefined || right === undefined) return undefined;
  if (isPrimitive(left) && isPrimitive(right)) return left === right;
  // Only primitive values are compared.
  return undefined;
}

function contains(value: unknown, list: unknown): boolean | undefined {
  if (value === undefined || !Array.isArray(list)) return undefined;
  return list.some((item) => equal(value, item) === true);
}

function compared(left: unknown, right: unknown, decide: (order: number) => boolean): boolean | undefined {
  if (typeof left === 'number' && typeof right === 'number') return decide(left - right);
  if (typeof left === 'string' && typeof right === 'string') return decide(left < right ? -1 : left > right ? 1 : 0);
  return undefined;
}

function calculated(operator: BinaryOperator, left: unknown, right: unknown): number | string | undefined {
  if (operator === '+' && typeof left === 'string' && typeof right === 'string') return left + right;
  if (typeof left !== 'number' || typeof right !== 'number') return undefined;
  const value = { '+': left + right, '-': left - right, '*': left * right, '/': left / right, '%': left % right }[operator as '+'];
  return Number.isFinite(value) ? value : undefined;
}

function isPrimitive(value: unknown): boolean {
  return value === null || typeof value !== 'object';
}
