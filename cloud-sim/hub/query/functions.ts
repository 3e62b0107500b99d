import type { Evaluate, Row } from './compile.js';
import { QueryFault } from './fault.js';

type Call = (args: readonly unknown[]) => unknown;

const is = (test: (value: unknown) => boolean): [number, Call] => [1, ([value]) => test(value)];
const ofNumber = (calculate: (value: number) => number): [number, Call] => [
  1,
  ([value]) => {
    const result = typeof value === 'number' ? calculate(value) : undefined;
    return result !== undefined && Number.isFinite(result) ? result : undefined;
  },
];
const ofTexts = (decide: (text: string, part: string) => unknown): [number, Call] => [
  2,
  ([text, part]) => (typeof text === 'string' && typeof part === 'string' ? decide(text, part) : undefined),
];
const ofText = (change: (text: string) => unknown): [number, Call] => [
  1,
  ([text]) => (typeof text === 'string' ? change(text) : undefined),
];

/** How many arguments a function takes, and what it does. Source: hub/iot-hub-devguide-query-language, "Functions". */
const FUNCTIONS: Readonly<Record<string, readonly [number, Call]>> = {
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
  substring: [
    3,
    ([text, from, length]) => (typeof text === 'string' ? text.slice(Number(from), Number(from) + Number(length)) : undefined),
  ],
  concat: [2, ([a, b]) => (typeof a === 'string' && typeof b === 'string' ? a + b : undefined)],
  abs: ofNumber(Math.abs),
  exp: ofNumber(Math.exp),
  square: ofNumber((value) => value * value),
  sqrt: ofNumber(Math.sqrt),
  ceiling: ofNumber(Math.ceil),
  floor: ofNumber(Math.floor),
  sign: ofNumber(Math.sign),
  power: [2, ([base, exponent]) => (typeof base === 'number' && typeof exponent === 'number' ? base ** exponent : undefined)],
};

/** @throws QueryFault for a function that does not exist, or other arguments than it takes */
export function functionOf(name: string, args: readonly Evaluate[], at: number): Evaluate {
  if (!Object.hasOwn(FUNCTIONS, name)) throw new QueryFault(`there is no function ${JSON.stringify(name)}`, at);
  const [arity, call] = FUNCTIONS[name] as readonly [number, Call];
  if (args.length !== arity) throw new QueryFault(`${name.toUpperCase()} takes ${arity} arguments, here are ${args.length}`, at);
  return (row: Row) => call(args.map((argument) => argument(row)));
}
