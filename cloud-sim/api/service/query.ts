import { badRequest } from './errors.js';

/** Whether a record is wanted. */
export type Filter = (record: object) => boolean;

const SERVED = 'served is SELECT * [FROM name] [WHERE member = value ...] with = != <> < <= > >=, AND, OR, NOT and parentheses';
const TOKEN = /\s*(?:('(?:[^']|'')*'|"(?:[^"]|"")*")|(-?\d+(?:\.\d+)?)(?![\w.])|([A-Za-z_][\w.]*)|(<=|>=|!=|<>|[=<>()*]))/y;

type Scalar = string | number | boolean | null;
type Token = { kind: 'text' | 'number' | 'word' | 'sign'; text: string };

/**
 * Reads a query of the DPS service API.
 * @param source what may stand after FROM
 * @throws ServiceError 400 that says what is served
 */
export function parseQuery(query: string, source: string): Filter {
  const reader = new Reader(tokens(query));
  reader.expectWord('SELECT');
  reader.expectSign('*');
  if (reader.takeWord('FROM')) {
    const name = reader.next('the name of what is asked for');
    if (name.text.toLowerCase() !== source.toLowerCase()) throw refuse(`FROM names ${JSON.stringify(name.text)}, expected ${source}`);
  }
  const filter = reader.takeWord('WHERE') ? either(reader) : () => true;
  if (!reader.atEnd) throw refuse(`${JSON.stringify(reader.next('').text)} is not understood`);
  return filter;
}

function either(reader: Reader): Filter {
  const left = both(reader);
  if (!reader.takeWord('OR')) return left;
  const right = either(reader);
  return (record) => left(record) || right(record);
}

function both(reader: Reader): Filter {
  const left = one(reader);
  if (!reader.takeWord('AND')) return left;
  const right = both(reader);
  return (record) => left(record) && right(record);
}

function one(reader: Reader): Filter {
  reader.deeper();
  if (reader.takeWord('NOT')) {
    const denied = one(reader);
    return (record) => !denied(record);
  }
  if (reader.takeSign('(')) {
    const inner = either(reader);
    reader.expectSign(')');
    return inner;
  }
  const member = reader.next('a member');
  if (member.kind !== 'word') throw refuse(`${JSON.stringify(member.text)} is no member`);
  const path = member.text.split('.');
  const sign = reader.next('a comparison');
  const value = scalar(reader.next('a value'));
  const compare = comparison(sign.text, value);
  return (record) => compare(read(record, path));
}

function comparison(sign: string, value: Scalar): (seen: unknown) => boolean {
  const ordered = (holds: (seen: string | number, value: string | number) => boolean) => (seen: unknown) =>
    (typeof seen === 'string' && typeof value === 'string' && holds(seen, value)) ||
    (typeof seen === 'number' && typeof value === 'number' && holds(seen, value));
  switch (sign) {
    case '=':
      return (seen) => (seen ?? null) === value;
    case '!=':
    case '<>':
      return (seen) => (seen ?? null) !== value;
    case '<':
      return ordered((seen, limit) => seen < limit);
    case '<=':
      return ordered((seen, limit) => seen <= limit);
    case '>':
      return ordered((seen, limit) => seen > limit);
    case '>=':
      return ordered((seen, limit) => seen >= limit);
    default:
      throw refuse(`${JSON.stringify(sign)} is no comparison`);
  }
}

function scalar({ kind, text }: Token): Scalar {
  if (kind === 'text') return text;
  if (kind === 'number') return Number(text);
  const word = text.toLowerCase();
  if (word === 'true' || word === 'false') return word === 'true';
  if (word === 'null') return null;
  throw refuse(`${JSON.stringify(text)} is no value: text stands in quotes`);
}

function read(record: unknown, path: readonly string[]): unknown {
  let value = record;
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}

function tokens(query: string): Token[] {
  const found: Token[] = [];
  const text = query.trimEnd().replace(/;$/, '').trimEnd();
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null) throw refuse(`${JSON.stringify(text.slice(at, at + 20))} is not understood`);
    const [, quoted, number, word, sign] = match;
    if (quoted !== undefined) found.push({ kind: 'text', text: unquoted(quoted) });
    else if (number !== undefined) found.push({ kind: 'number', text: number });
    else if (word !== undefined) found.push({ kind: 'word', text: word });
    else found.push({ kind: 'sign', text: sign ?? '' });
  }
  return found;
}

function unquoted(text: string): string {
  const mark = text.charAt(0);
  return text.slice(1, -1).replaceAll(mark + mark, mark);
}

/** Tokens one after the other. */
class Reader {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;

  constructor(list: readonly Token[]) {
    this.#tokens = list;
  }

  get atEnd(): boolean {
    return this.#at >= this.#tokens.length;
  }

  next(expected: string): Token {
    const token = this.#tokens[this.#at++];
    if (token === undefined) throw refuse(`the query ends where ${expected} is expected`);
    return token;
  }

  takeWord(word: string): boolean {
    return this.#take((token) => token.kind === 'word' && token.text.toUpperCase() === word);
  }

  takeSign(sign: string): boolean {
    return this.#take((token) => token.kind === 'sign' && token.text === sign);
  }

  expectWord(word: string): void {
    if (!this.takeWord(word)) throw refuse(`${word} is missing`);
  }

  expectSign(sign: string): void {
    if (!this.takeSign(sign)) throw refuse(`${sign} is missing`);
  }

  // Every comparison nests a call: a hostile query must not exhaust the stack.
  deeper(): void {
    if (++this.#depth > 100) throw refuse('the query holds more than 100 conditions');
  }

  #take(wanted: (token: Token) => boolean): boolean {
    const token = this.#tokens[this.#at];
    if (token === undefined || !wanted(token)) return false;
    this.#at++;
    return true;
  }
}

function refuse(what: string): Error {
  return badRequest(`the query is not served: ${what}; ${SERVED}`);
}
