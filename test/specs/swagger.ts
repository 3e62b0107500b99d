import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv, type ValidateFunction } from 'ajv';
import formats from 'ajv-formats';

type Schema = { $ref?: string; properties?: Record<string, Schema>; additionalProperties?: unknown; [keyword: string]: unknown };
interface Reply {
  schema?: Schema;
  headers?: Record<string, unknown>;
}
interface Swagger {
  paths: Record<string, Record<string, { operationId: string; responses: Record<string, Reply> }>>;
  definitions: Record<string, Schema>;
}

/** Free JSON by what users send, whatever the file says: its keys are the user's, and their values need not be objects. */
const FREE = ['TwinCollection'];

/** One of Azure's specification files, as a judge of answers. */
export class Specification {
  readonly #swagger: Swagger;
  readonly #ajv: Ajv;
  readonly #judges = new Map<string, ValidateFunction>();

  /** @param folder holds the files; the tests never copy them */
  constructor(folder: string, name: string) {
    this.#swagger = JSON.parse(readFileSync(join(folder, name), 'utf8')) as Swagger;
    this.#ajv = new Ajv({ strict: false, allErrors: true });
    formats.default(this.#ajv);
    this.#ajv.addSchema({ $id: 'spec', definitions: jsonSchemas(this.#swagger.definitions) });
  }

  /** Every `METHOD path status` that the file names; `default` is any error. */
  get cases(): string[] {
    return Object.entries(this.#swagger.paths).flatMap(([path, methods]) =>
      Object.entries(methods).flatMap(([method, { responses }]) =>
        Object.keys(responses).map((status) => `${method.toUpperCase()} ${path} ${status}`),
      ),
    );
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
    if (reply === undefined) return { case: name, flaws: [`${answer.status} is no answer of the specification`] };
    if (status === 'default' && answer.status < 400) return { case: name, flaws: [`${answer.status} is no error`] };
    if (reply.schema === undefined) return { case: name, flaws: answer.body === undefined ? [] : ['there is a body'] };
    const judge = this.#judge(name, reply.schema);
    const flaws = judge(answer.body)
      ? []
      : (judge.errors ?? []).map(({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`);
    const missing = status === 'default' ? Object.keys(reply.headers ?? {}).filter((header) => !(header in answer.headers)) : [];
    return { case: name, flaws: [...flaws, ...missing.map((header) => `the header ${header} is missing`)] };
  }

  /** What is wrong with a value of a type that the file defines. */
  flawsOf(type: string, value: unknown): string[] {
    const judge = this.#judge(type, { $ref: `#/definitions/${type}` });
    return judge(value) ? [] : (judge.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
  }

  #judge(name: string, schema: Schema): ValidateFunction {
    const judge = this.#judges.get(name) ?? this.#ajv.compile(jsonSchema(schema));
    this.#judges.set(name, judge);
    return judge;
  }
}

function jsonSchemas(definitions: Record<string, Schema>): Record<string, Schema> {
  return Object.fromEntries(
    Object.entries(definitions).map(([name, schema]) => [name, FREE.includes(name) ? { type: 'object' } : jsonSchema(schema)]),
  );
}

/** Swagger 2.0's schema object as JSON Schema. Members that the file does not name are flaws: it names all that Azure answers. */
function jsonSchema(schema: Schema): Schema {
  const walked = Object.fromEntries(Object.entries(schema).map(([keyword, value]) => [keyword, walk(value)])) as Schema;
  if (typeof schema.$ref === 'string') return { $ref: schema.$ref.replace('#/', 'spec#/') };
  if (schema.properties !== undefined && schema.additionalProperties === undefined) walked.additionalProperties = false;
  return walked;
}

function walk(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(walk);
  if (typeof value !== 'object' || value === null) return value;
  return jsonSchema(value as Schema);
}
