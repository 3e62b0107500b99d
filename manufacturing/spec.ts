import { dirname, resolve } from 'node:path';
import { type Document, isMap, isScalar, LineCounter, type Node, parseDocument } from 'yaml';
import { type LocatedSpecProblem, SpecFault, type SpecProblem } from './faults.js';
import { planProblems } from './plan.js';
import { problemsOf } from './spec-problems.js';
import { type BatchSpec, batchSpecSchema } from './spec-schema.js';

export { type BatchSpec, batchSpecJsonSchema, batchSpecSchema, type ExportForm, type GroupSpec } from './spec-schema.js';

/**
 * Reads a batch spec, YAML or JSON. Relative paths in it become absolute, taken from the folder of the file.
 * @param fileName how the file is called in errors, and where relative folders start
 * @throws SpecFault SPEC_SYNTAX, SPEC_INVALID with file, line, column and field of every problem
 */
export function parseSpec(text: string, fileName: string): BatchSpec {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  const syntax = document.errors.map((error) => ({ path: [], summary: error.message, ...at(error.pos[0]) }));
  refuse('SPEC_SYNTAX', fileName, syntax);

  const locate = (problem: SpecProblem): LocatedSpecProblem => ({ ...problem, ...at(offsetOf(document, problem.path)) });
  const data = toData(document, fileName);
  const parsed = batchSpecSchema.safeParse(data);
  if (!parsed.success) refuse('SPEC_INVALID', fileName, problemsOf(parsed.error, data).map(locate));
  const spec = parsed.data as BatchSpec;
  refuse('SPEC_INVALID', fileName, planProblems(spec).map(locate));
  return withPaths(spec, (path) => resolve(dirname(fileName), path));
}

function withPaths(spec: BatchSpec, absolute: (path: string) => string): BatchSpec {
  const { authority, serverRoots, partitions, app, bootloader } = spec;
  return {
    ...spec,
    groups: spec.groups.map((group) => ({
      ...group,
      ...(group.endorsementKeys === undefined ? {} : { endorsementKeys: absolute(group.endorsementKeys) }),
      ...(group.certificateRequests === undefined ? {} : { certificateRequests: absolute(group.certificateRequests) }),
      ...(group.mac?.csv === undefined ? {} : { mac: { csv: absolute(group.mac.csv) } }),
    })),
    ...(authority === undefined ? {} : { authority: { ...authority, directory: absolute(authority.directory) } }),
    ...(serverRoots === undefined ? {} : { serverRoots: serverRoots.map(absolute) }),
    ...(partitions === undefined ? {} : { partitions: absolute(partitions) }),
    ...(app === undefined ? {} : { app: absolute(app) }),
    ...(bootloader === undefined ? {} : { bootloader: absolute(bootloader) }),
  };
}

function refuse(code: 'SPEC_SYNTAX' | 'SPEC_INVALID', file: string, problems: LocatedSpecProblem[]): void {
  // The schema finds them field by field; a person reads the file from the top.
  const [first, ...others] = problems.sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
  if (first !== undefined) throw new SpecFault(code, file, [first, ...others]);
}

function toData(document: Document, fileName: string): unknown {
  try {
    return document.toJS();
  } catch (cause) {
    // An alias without its anchor, or one that unfolds without end, shows only here.
    throw new SpecFault('SPEC_SYNTAX', fileName, [{ path: [], summary: cause instanceof Error ? cause.message : 'unreadable' }]);
  }
}

/** Where a field starts, or the innermost part of its path that is there: its key in a map, else its value. */
function offsetOf(document: Document, path: readonly (string | number)[]): number {
  let node: unknown = document.contents;
  let offset = startOf(node);
  for (const part of path) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(part));
      if (pair === undefined) return offset;
      offset = startOf(pair.key);
      node = pair.value;
    } else {
      node =
        typeof part === 'number' && typeof node === 'object' && node !== null && 'items' in node
          ? (node.items as unknown[])[part]
          : undefined;
      if (node === undefined) return offset;
      offset = startOf(node);
    }
  }
  return offset;
}

function startOf(node: unknown): number {
  return (node as Node | null | undefined)?.range?.[0] ?? 0;
}
