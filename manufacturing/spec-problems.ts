import type { z } from 'zod';
import type { SpecProblem } from './faults.js';
import { batchSpecJsonSchema } from './spec-schema.js';

/** What a schema found wrong, as problems a person can act on. */
export function problemsOf(error: z.ZodError, data: unknown): SpecProblem[] {
  return error.issues.flatMap((issue) => problemsOfIssue(issue, data));
}

function problemsOfIssue(issue: z.core.$ZodIssue, data: unknown): SpecProblem[] {
  const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(path);
    return issue.keys.map((key) => ({ path: [...path, key], summary: 'unknown field', expected: `one of ${known.join(', ')}` }));
  }
  const seen = valueAt(data, path);
  const expected = expectation(issue);
  if (seen === undefined) return [{ path, summary: 'the field is missing', expected }];
  const remedy = issue.code === 'invalid_type' && issue.expected === 'string' ? { remedy: 'write it in quotes' } : {};
  return [{ path, summary: 'the value cannot be used', seen, expected, ...remedy }];
}

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `${/^[aeio]/.test(issue.expected) ? 'an' : 'a'} ${issue.expected}`;
    case 'invalid_value':
      return issue.values.map((value) => JSON.stringify(value)).join(' or ');
    case 'too_small':
      return issue.origin === 'number' || issue.origin === 'int' ? `at least ${issue.minimum}` : 'at least one';
    case 'too_big':
      return issue.origin === 'array' ? `at most ${issue.maximum} entries` : `at most ${issue.maximum}`;
    case 'invalid_union':
      return 'a JSON value';
    default:
      return issue.message;
  }
}

interface SchemaNode {
  properties?: Record<string, SchemaNode>;
  items?: SchemaNode;
}

function knownKeys(path: readonly (string | number)[]): string[] {
  let node: SchemaNode | undefined = batchSpecJsonSchema() as SchemaNode;
  for (const part of path) node = typeof part === 'number' ? node?.items : node?.properties?.[part];
  return Object.keys(node?.properties ?? {});
}

function valueAt(data: unknown, path: readonly (string | number)[]): unknown {
  let value = data;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string | number, unknown>)[part];
  }
  return value;
}
