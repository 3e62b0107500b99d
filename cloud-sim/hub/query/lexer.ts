import { QueryFault } from './fault.js';

/** A piece of a query: a word as written, a mark, or a literal. */
export type Token =
  | { kind: 'word'; text: string; at: number }
  | { kind: 'mark'; text: string; at: number }
  | { kind: 'string'; value: string; at: number }
  | { kind: 'number'; value: number; at: number }
  | { kind: 'end'; at: number };

const WORD = /[A-Za-z_$][\w$]*/y;
const NUMBER = /(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/y;
const MARK = /<=|>=|!=|<>|\[\[|\]\]|[-+*/%=<>()[\],.]/y;
const SPACE = /\s+/y;

/**
 * Cuts a query into tokens.
 * @throws QueryFault for a character that no query holds, or a text that does not end
 */
export function tokens(query: string): Token[] {
  const found: Token[] = [];
  let at = 0;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(query)?.[0];
  };
  while (at < query.length) {
    const space = match(SPACE);
    if (space !== undefined) {
      at += space.length;
      continue;
    }
    const quote = query[at];
    if (quote === "'" || quote === '"') {
      const { value, end } = readString(query, at);
      found.push({ kind: 'string', value, at });
      at = end;
      continue;
    }
    const number = match(NUMBER);
    const word = number === undefined ? match(WORD) : undefined;
    const mark = number === undefined && word === undefined ? match(MARK) : undefined;
    const text = number ?? word ?? mark;
    if (text === undefined) throw new QueryFault(`the character ${JSON.stringify(query[at])} belongs into no query`, at);
    if (number !== undefined) found.push({ kind: 'number', value: Number(number), at });
    else found.push({ kind: word === undefined ? 'mark' : 'word', text, at });
    at += text.length;
  }
  found.push({ kind: 'end', at });
  return found;
}

// A quote inside is doubled, or escaped as in JSON.
function readString(query: string, start: number): { value: string; end: number } {
  const quote = query[start];
  let value = '';
  for (let at = start + 1; at < query.length; at++) {
    const character = query[at] as string;
    if (character === '\\' && at + 1 < query.length) {
      at++;
      value += query[at];
    } else if (character !== quote) value += character;
    else if (query[at + 1] === quote) {
      value += quote;
      at++;
    } else return { value, end: at + 1 };
  }
  throw new QueryFault('a text has no end', start);
}
