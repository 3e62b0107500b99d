import { QueryFault } from './fault.js';
import { type Token, tokens } from './lexer.js';
import type { BinaryOperator, Column, Expression, Query } from './syntax.js';

/** Deepest nesting that is read. */
const MAX_DEPTH = 64;
/** Longest query that is read, characters. */
const MAX_LENGTH = 16 * 1024;

const COMPARISONS: Readonly<Record<string, BinaryOperator>> = {
  '=': '=',
  '!=': '!=',
  '<>': '!=',
  '<': '<',
  '<=': '<=',
  '>': '>',
  '>=': '>=',
};

/** What a twin holds at its top: read in any case, as Azure's guide writes it (`SELECT DeviceID, LastActivityTime`). */
const ATTRIBUTES = new Map(
  [
    ...['deviceId', 'moduleId', 'etag', 'deviceEtag', 'version', 'tags', 'properties', 'configurations', 'capabilities', 'modelId'],
    ...['status', 'statusReason', 'statusUpdateTime', 'connectionState', 'lastActivityTime', 'cloudToDeviceMessageCount'],
    ...['authenticationType', 'x509Thumbprint', 'deviceScope', 'parentScopes'],
  ].map((name) => [name.toLowerCase(), name]),
);

/**
 * Reads a query. Source: hub/iot-hub-devguide-query-language.
 * @throws QueryFault
 */
export function parseQuery(text: string): Query {
  return new Parser(text).query();
}

/**
 * Reads a condition alone, as the target of a configuration holds one.
 * @throws QueryFault
 */
export function parseCondition(text: string): Expression {
  return new Parser(text).condition();
}

class Parser {
  readonly #tokens: Token[];
  #next = 0;
  #depth = 0;

  constructor(text: string) {
    if (text.length > MAX_LENGTH) throw new QueryFault(`the query has ${text.length} characters, at most ${MAX_LENGTH} are read`);
    this.#tokens = tokens(text);
  }

  query(): Query {
    this.#keyword('select');
    const top = this.#takes('top') ? this.#number() : undefined;
    const columns = this.#takesMark('*') ? undefined : this.#columns();
    this.#keyword('from');
    const from = this.#source();
    const where = this.#takes('where') ? this.#expression() : undefined;
    const groupBy: string[][] = [];
    if (this.#takes('group')) {
      this.#keyword('by');
      do groupBy.push(this.#path());
      while (this.#takesMark(','));
    }
    if (this.#is('order')) throw new QueryFault('ORDER BY is not supported: results come in the order of device ids', this.#token.at);
    this.#end();
    return { columns, top, from, where, groupBy };
  }

  condition(): Expression {
    const expression = this.#expression();
    this.#end();
    return expression;
  }

  #columns(): Column[] {
    const columns: Column[] = [];
    do {
      const expression = this.#expression();
      const name = this.#takes('as') ? this.#word() : nameOf(expression, columns.length);
      columns.push({ name, expression });
    } while (this.#takesMark(','));
    return columns;
  }

  #source(): Query['from'] {
    const { at } = this.#token;
    const name = this.#path().join('.').toLowerCase();
    if (name === 'devices' || name === 'devices.modules') return name;
    if (name === 'devices.jobs') throw new QueryFault('jobs are not served by the local hub: FROM devices or devices.modules', at);
    throw new QueryFault(`there is nothing to select from in ${JSON.stringify(name)}: FROM devices or devices.modules`, at);
  }

  #expression(): Expression {
    if (++this.#depth > MAX_DEPTH) throw new QueryFault('the query is nested too deeply', this.#token.at);
    const expression = this.#chain('or', () => this.#chain('and', () => this.#negation()));
    this.#depth--;
    return expression;
  }

  #chain(operator: 'and' | 'or', operand: () => Expression): Expression {
    let left = operand();
    while (this.#takes(operator)) left = { kind: 'binary', operator, left, right: operand() };
    return left;
  }

  #negation(): Expression {
    let negated = false;
    while (this.#takes('not')) negated = !negated;
    const of = this.#comparison();
    return negated ? { kind: 'not', of } : of;
  }

  #comparison(): Expression {
    const left = this.#sum();
    const token = this.#token;
    if (token.kind === 'mark' && COMPARISONS[token.text] !== undefined) {
      this.#next++;
      return { kind: 'binary', operator: COMPARISONS[token.text] as BinaryOperator, left, right: this.#sum() };
    }
    for (const operator of ['in', 'nin'] as const) {
      if (this.#takes(operator)) return { kind: 'binary', operator, left, right: this.#list() };
    }
    if (this.#is('not') && this.#isWord(1, 'in')) {
      this.#next += 2;
      return { kind: 'binary', operator: 'nin', left, right: this.#list() };
    }
    return left;
  }

  #sum(): Expression {
    let left = this.#product();
    for (;;) {
      const operator = this.#anyMark('+', '-');
      if (operator === undefined) return left;
      left = { kind: 'binary', operator, left, right: this.#product() };
    }
  }

  #product(): Expression {
    let left = this.#primary();
    for (;;) {
      const operator = this.#anyMark('*', '/', '%');
      if (operator === undefined) return left;
      left = { kind: 'binary', operator, left, right: this.#primary() };
    }
  }

  #primary(): Expression {
    const token = this.#token;
    if (token.kind === 'string' || token.kind === 'number') {
      this.#next++;
      return { kind: 'literal', value: token.value };
    }
    if (this.#takesMark('-')) return { kind: 'negative', of: this.#deeper(() => this.#primary()) };
    if (this.#takesMark('(')) {
      const expression = this.#expression();
      this.#mark(')');
      return expression;
    }
    if (this.#isMark('[') && !this.#isMark('[[')) return this.#list();
    if (token.kind === 'word') {
      const literals: Record<string, boolean | null | undefined> = { true: true, false: false, null: null, undefined };
      const word = token.text.toLowerCase();
      if (Object.hasOwn(literals, word)) {
        this.#next++;
        return { kind: 'literal', value: literals[word] };
      }
      const following = this.#tokens[this.#next + 1];
      if (following?.kind === 'mark' && following.text === '(') return this.#call(word, token.at);
    }
    return { kind: 'path', path: this.#path() };
  }

  #call(name: string, at: number): Expression {
    this.#next += 2;
    const args: Expression[] = [];
    if (this.#takesMark('*')) {
      this.#mark(')');
      return { kind: 'call', name, args, at };
    }
    if (!this.#isMark(')')) {
      do args.push(this.#expression());
      while (this.#takesMark(','));
    }
    this.#mark(')');
    return { kind: 'call', name, args, at };
  }

  #list(): Expression {
    const closing = this.#takesMark('(') ? ')' : ']';
    if (closing === ']') this.#mark('[');
    const items: Expression[] = [];
    if (!this.#isMark(closing)) {
      do items.push(this.#deeper(() => this.#sum()));
      while (this.#takesMark(','));
    }
    this.#mark(closing);
    return { kind: 'list', items };
  }

  // `a.b`, `[[a]].b`, `a['b']`, `a[0]`
  #path(): string[] {
    const root = this.#segment();
    const path = [ATTRIBUTES.get(root.toLowerCase()) ?? root];
    for (;;) {
      if (this.#takesMark('.')) path.push(this.#segment());
      else if (this.#isMark('[') && ['string', 'number'].includes(this.#tokens[this.#next + 1]?.kind ?? '')) {
        this.#next++;
        const key = this.#tokens[this.#next++] as Token & { value: string | number };
        path.push(String(key.value));
        this.#mark(']');
      } else return path;
    }
  }

  #segment(): string {
    if (!this.#takesMark('[[')) return this.#word();
    const token = this.#token;
    const name = token.kind === 'string' ? token.value : this.#words();
    if (token.kind === 'string') this.#next++;
    this.#mark(']]');
    return name;
  }

  // Between double brackets anything may stand.
  #words(): string {
    let text = '';
    for (let token = this.#token; token.kind !== 'end' && !this.#isMark(']]'); token = this.#token) {
      text += token.kind === 'word' || token.kind === 'mark' ? token.text : String(token.value);
      this.#next++;
    }
    return text;
  }

  #deeper<T>(read: () => T): T {
    if (++this.#depth > MAX_DEPTH) throw new QueryFault('the query is nested too deeply', this.#token.at);
    const value = read();
    this.#depth--;
    return value;
  }

  get #token(): Token {
    return this.#tokens[this.#next] ?? { kind: 'end', at: 0 };
  }

  #isWord(ahead: number, word: string): boolean {
    const token = this.#tokens[this.#next + ahead];
    return token?.kind === 'word' && token.text.toLowerCase() === word;
  }

  #is(word: string): boolean {
    return this.#isWord(0, word);
  }

  #takes(word: string): boolean {
    const taken = this.#is(word);
    if (taken) this.#next++;
    return taken;
  }

  #isMark(mark: string): boolean {
    const token = this.#token;
    return token.kind === 'mark' && token.text === mark;
  }

  #takesMark(mark: string): boolean {
    const taken = this.#isMark(mark);
    if (taken) this.#next++;
    return taken;
  }

  #anyMark<M extends string>(...marks: M[]): M | undefined {
    return marks.find((mark) => this.#takesMark(mark));
  }

  #keyword(word: string): void {
    if (!this.#takes(word)) throw this.#unexpected(word.toUpperCase());
  }

  #mark(mark: string): void {
    if (!this.#takesMark(mark)) throw this.#unexpected(mark);
  }

  #word(): string {
    const token = this.#token;
    if (token.kind !== 'word') throw this.#unexpected('a name');
    this.#next++;
    return token.text;
  }

  #number(): number {
    const token = this.#token;
    if (token.kind !== 'number' || !Number.isInteger(token.value) || token.value < 1) throw this.#unexpected('a number');
    this.#next++;
    return token.value;
  }

  #end(): void {
    if (this.#token.kind !== 'end') throw this.#unexpected('the end of the query');
  }

  #unexpected(wanted: string): QueryFault {
    const token = this.#token;
    const seen =
      token.kind === 'end' ? 'the end' : JSON.stringify(token.kind === 'word' || token.kind === 'mark' ? token.text : token.value);
    return new QueryFault(`${wanted} was expected, ${seen} is there`, token.at);
  }
}

// Azure numbers columns without a name from 1.
function nameOf(expression: Expression, index: number): string {
  return expression.kind === 'path' ? (expression.path.at(-1) ?? '') : `$${index + 1}`;
}
