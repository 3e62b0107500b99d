import type { Evaluate, Row } from './compile.js';
import { QueryFault } from './fault.js';

type Call = (args: readonly unknown[]) => unknown;

const is = (test: (value: unknown) => boolean): [number, Call] => [1, ([value]) => test(value)];
const ofNumber = (calculate: (value: number) => number): [number, Call] => [
  1,
  ([value]) => (typeof value === 'number' ? finite(calculate(value)) : undefined),
];
const ofTexts = (decide: (text: string, part: string) => unknown): [number, Call] => [
  2,
  ([text, part]) => (typeof text === 'string' && typeof part === 'string' ? decide(text, part) : undefined),
];
const ofText = (change: (text: string) => unknown): [number, Call] => [
  1,
  ([text]) => (typeof text === 'string' ? change(text) : undefined),
];

/** How many arguments a function takes, one number or from and to, and what it does. Source: hub/iot-hub-devguide-query-language, "Functions". */
const FUNCTIONS: Readonly<Record<string, readonly [number | readonly [number, number], Call]>> = {
  as_number: [1, ([value]) => asNumber(value)],
  is_defined: is((value) => value !== undefined),
  is_null: is((value) => value === null),
  is_bool: is((value) => typeof value === 'boolean'),
  is_number: is((value) => typeof value === 'number'),
  is_string: is((value) => typeof value === 'string'),
  is_array: is((value) => Array.isArray(value)),
  is_object: is((value) => typeof value === 'object' && value !== null && !Array.isArray(value)),
  is_primitive: is((value) => value === null || ['boolean', 'number', 'string'].includes(typeof value)),
  starts_with: ofTexts((text, part) => text.startsWith(part)),
  startswith: ofTexts((text, part) => text.startsWith(part)),
  ends_with: ofTexts((text, part) => text.endsWith(part)),
  endswith: ofTexts((text, part) => text.endsWith(part)),
  contains: ofTexts((text, part) => text.includes(part)),
  index_of: ofTexts((text, part) => text.indexOf(part)),
  array_contains: [2, ([list, value]) => (Array.isArray(list) ? list.includes(value) : undefined)],
  lower: ofText((text) => text.toLowerCase()),
  upper: ofText((text) => text.toUpperCase()),
  length: ofText((text) => text.length),
  substring: [[2, 3], part],
  concat: [[2, Number.POSITIVE_INFINITY], (texts) => (texts.every((text) => typeof text === 'string') ? texts.join('') : undefined)],
  abs: ofNumber(Math.abs),
  exp: ofNumber(Math.exp),
  square: ofNumber((value) => value * value),
  sqrt: ofNumber(Math.sqrt),
  ceiling: ofNumber(Math.ceil),
  floor: ofNumber(Math.floor),
  sign: ofNumber(Math.sign),
  power: [2, ([base, exponent]) => (typeof base === 'number' && typeof exponent === 'number' ? finite(base ** exponent) : undefined)],
};

/** @throws QueryFault for a function that does not exist, or other arguments than it takes */
export function functionOf(name: string, args: readonly Evaluate[], at: number): Evaluate {
  if (!Object.hasOwn(FUNCTIONS, name)) throw new QueryFault(`there is no function ${JSON.stringify(name)}`, at);
  const [arity, call] = FUNCTIONS[name] as (typeof FUNCTIONS)[string];
  const [least, most] = typeof arity === 'number' ? [arity, arity] : arity;
  if (args.length < least || args.length > most)
    throw new QueryFault(`${name.toUpperCase()} takes ${told(least, most)} arguments, here are ${args.length}`, at);
  return (row: Row) => call(args.map((argument) => argument(row)));
}

function told(least: number, most: number): string {
  if (least === most) return String(least);
  return most === Number.POSITIVE_INFINITY ? `${least} or more` : `${least} or ${most}`;
}

function finite(value: number): number | undefined {
  return Number.isFinite(value) ? value : undefined;
}

// A text that is no number has no value; JavaScript would make 0 of an empty one, and 16 of 0x10.
function asNumber(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string' || !/^\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?\s*$/i.test(value)) return undefined;
  return finite(Number(value));
}

// A length that is written, but has no value, leaves the whole without one. JavaScript would count a negative start from the end.
function part([text, from, ...rest]: readonly unknown[]): string | undefined {
  if (typeof text !== 'string' || !isPosition(from)) return undefined;
  if (rest.length === 0) return text.slice(from);
  const [length] = rest;
  return isPosition(length) ? text.slice(from, from + length) : undefined;
}

function isPosition(value: unknown): value is number {
  return typeof value === 'number' && value >= 0;
}
