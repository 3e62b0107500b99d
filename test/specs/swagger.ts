import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ValidateFunction } from 'ajv';
import { Ajv2019 } from 'ajv/dist/2019.js';
import formats from 'ajv-formats';

type Schema = {
  $ref?: string;
  allOf?: Schema[];
  required?: string[];
  properties?: Record<string, Schema>;
  additionalProperties?: unknown;
  [keyword: string]: unknown;
};
interface Reply {
  schema?: Schema;
  headers?: Record<string, unknown>;
}
interface Swagger {
  info: { version: string };
  paths: Record<string, Record<string, { operationId: string; responses: Record<string, Reply> }>>;
  definitions: Record<string, Schema>;
}

interface File {
  /** That the definitions are known by. */
  id: string;
  definitions: Record<string, Schema>;
}

/** What of Azure's answers is not in the file. */
export interface Besides {
  /** Members of types that the file leaves out, by type: Azure's own clients read them. */
  members?: Readonly<Record<string, Readonly<Record<string, Schema>>>>;
  /** Errors of who stands before the provider: a type of {@link COMMON}. */
  error?: string;
}

/** Free JSON by what users send, whatever the file says: its keys are the user's, and their values need not be objects. */
const FREE = ['TwinCollection'];
/** The file of types that the others have in common. */
const COMMON = 'common-types-resource-management-v2-types.json';
const HTTP_DATE = /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/;

/** One of Azure's specification files, as a judge of answers. */
export class Specification {
  readonly #swagger: Swagger;
  readonly #ajv: Ajv2019;
  readonly #judges = new Map<string, ValidateFunction>();
  readonly #besides: Besides;

  /** @param folder holds the files; the tests never copy them */
  constructor(folder: string, name: string, besides: Besides = {}) {
    const read = (file: string): Swagger => JSON.parse(readFileSync(join(folder, file), 'utf8')) as Swagger;
    this.#swagger = read(name);
    this.#besides = besides;
    this.#ajv = new Ajv2019({ strict: false, allErrors: true });
    formats.default(this.#ajv as never);
    this.#ajv.addFormat('date-time-rfc1123', HTTP_DATE);
    this.#ajv.addSchema({ $id: 'spec', definitions: jsonSchemas('spec', this.#swagger.definitions, besides.members) });
    if (JSON.stringify(this.#swagger).includes('common-types/') || besides.error !== undefined)
      this.#ajv.addSchema({ $id: 'common', definitions: jsonSchemas('common', read(COMMON).definitions) });
  }

  /** Of the API, e.g. `2021-10-15`. */
  get version(): string {
    return this.#swagger.info.version;
  }

  /** Every `METHOD path status` that the file names; `default` is any error. */
  get cases(): string[] {
    return Object.entries(this.#swagger.paths).flatMap(([path, methods]) =>
      Object.entries(methods).flatMap(([method, { responses }]) =>
        Object.keys(responses).map((status) => `${method.toUpperCase()} ${path} ${status}`),
      ),
    );
  }

  /** Every `METHOD path`. */
  get operations(): { method: string; path: string }[] {
    return Object.entries(this.#swagger.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => ({ method: method.toUpperCase(), path })),
    );
  }

  /** The path of the file, with its parameters in braces, that a URL is one of. */
  pathOf(url: string): string | undefined {
    const asked = new URL(url, 'https://localhost').pathname;
    // A path without parameters goes before one that has some.
    const paths = Object.keys(this.#swagger.paths).sort((a, b) => a.split('{').length - b.split('{').length);
    return paths.find((path) => new RegExp(`^${path.replace(/[$.]/g, '\\$&').replace(/\{[^}]+\}/g, '[^/]+')}$`, 'i').test(asked));
  }

  /**
   * Judges an answer.
   * @param path as the file has it, with its parameters in braces
   * @returns which case it was, and what is wrong
   */
  judge(method: string, path: string, answer: { status: number; body: unknown; headers: object }): { case: string; flaws: string[] } {
    const responses: Record<string, Reply> = this.#swagger.paths[path]?.[method.toLowerCase()]?.responses ?? {};
    const status = String(answer.status) in responses ? String(answer.status) : 'default';
    const reply = responses[status];
    const name = `${method} ${path} ${status}`;
    const { error } = this.#besides;
    if (error !== undefined && answer.status >= 400 && typeof answer.body === 'object' && answer.body !== null && 'error' in answer.body)
      return { case: name, flaws: this.#flaws(error, { $ref: `common#/definitions/${error}` }, answer.body) };
    if (reply === undefined) return { case: name, flaws: [`${answer.status} is no answer of the specification`] };
    if (status === 'default' && answer.status < 400) return { case: name, flaws: [`${answer.status} is no error`] };
    if (reply.schema === undefined) return { case: name, flaws: answer.body === undefined ? [] : ['there is a body'] };
    const flaws = this.#flaws(name, jsonSchema(reply.schema, { id: 'spec', definitions: this.#swagger.definitions }), answer.body);
    const missing = status === 'default' ? Object.keys(reply.headers ?? {}).filter((header) => !(header in answer.headers)) : [];
    return { case: name, flaws: [...flaws, ...missing.map((header) => `the header ${header} is missing`)] };
  }

  /** What is wrong with a value of a type that the file defines. */
  flawsOf(type: string, value: unknown): string[] {
    return this.#flaws(type, { $ref: `spec#/definitions/${type}` }, value).map((flaw) => flaw.replace(/ \{.*\}$/, ''));
  }

  #flaws(name: string, schema: Schema, value: unknown): string[] {
    const judge = this.#judges.get(name) ?? this.#ajv.compile(schema);
    this.#judges.set(name, judge);
    if (judge(value)) return [];
    return (judge.errors ?? []).map(({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`);
  }
}

function jsonSchemas(id: string, definitions: Record<string, Schema>, members: Besides['members'] = {}): Record<string, Schema> {
  return Object.fromEntries(
    Object.entries(definitions).map(([name, schema]) => {
      if (FREE.includes(name)) return [name, { type: 'object' }];
      return [name, jsonSchema(members[name] === undefined ? schema : merged(schema, { properties: members[name] }), { id, definitions })];
    }),
  );
}

/** Swagger 2.0's schema object as JSON Schema. Members that the file does not name are flaws: it names all that Azure answers. */
function jsonSchema(schema: Schema, file: File): Schema {
  if (typeof schema.$ref === 'string')
    return { $ref: schema.$ref.replace(/^(.*)#\//, (_, path: string) => `${path === '' ? file.id : 'common'}#/`) };
  if ('discriminator' in schema) throw new Error('the judge knows no discriminators: no file had one when it was written');
  const whole = inherited(schema, file.definitions);
  const walked = Object.fromEntries(Object.entries(whole).map(([keyword, value]) => [keyword, walk(value, file)])) as Schema;
  if (whole.properties !== undefined && whole.additionalProperties === undefined) walked.additionalProperties = false;
  return walked;
}

/** With what its bases have: in Swagger `allOf` is inheritance, and JSON Schema would hold each base's list of members for the whole one. */
function inherited({ allOf = [], ...own }: Schema, definitions: Record<string, Schema>): Schema {
  return allOf.reduce<Schema>((all, base) => {
    const named = base.$ref === undefined ? base : definitions[base.$ref.replace('#/definitions/', '')];
    if (named === undefined) throw new Error(`the base ${base.$ref} is not in the file`);
    return merged(inherited(named, definitions), all);
  }, own);
}

function merged(base: Schema, own: Schema): Schema {
  const required = [...new Set([...(base.required ?? []), ...(own.required ?? [])])];
  return { ...base, ...own, properties: { ...base.properties, ...own.properties }, ...(required.length === 0 ? {} : { required }) };
}

function walk(value: unknown, file: File): unknown {
  if (Array.isArray(value)) return value.map((item) => walk(item, file));
  if (typeof value !== 'object' || value === null) return value;
  return jsonSchema(value as Schema, file);
}
