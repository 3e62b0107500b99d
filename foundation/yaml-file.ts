import { readFileSync } from 'node:fs';
import { isNode, LineCounter, parseDocument } from 'yaml';
import { Fault } from './fault.js';

/** What a file of a user holds, and where in it. */
export interface YamlFile {
  readonly data: unknown;
  /** `FILE:LINE:COLUMN field.name` of a field, or of the innermost part of its path that is there. */
  locate(path: readonly PropertyKey[]): string;
}

/** Makes the error of a text that is no YAML. */
type Refusal = (summary: string, where: string) => Error;

const refusal: Refusal = (summary, where) => new Fault('CONFIG_SYNTAX', summary, { where, expected: 'YAML or JSON' });

/** Makes the error of a file that cannot be read. @param code the system's, such as `ENOENT` */
type Unreadable = (code: string, cause: unknown) => Error;

/**
 * Reads a file, YAML or JSON.
 * @throws what `refuse` makes of a text that is none, and `unreadable` of a file that cannot be read: a Fault CONFIG_SYNTAX and a Fault
 *   CONFIG_UNREADABLE unless given
 */
export function readYamlFile(file: string, { refuse, unreadable }: { refuse?: Refusal; unreadable?: Unreadable } = {}): YamlFile {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    const { code = '' } = cause as NodeJS.ErrnoException;
    throw (
      unreadable?.(code, cause) ??
      new Fault('CONFIG_UNREADABLE', 'the file cannot be read', { where: file, seen: code, expected: 'a file, YAML or JSON', cause })
    );
  }
  return parseYaml(text, file, refuse);
}

/**
 * Reads a text, YAML or JSON.
 * @param file how it is called in errors
 * @throws what `refuse` makes, a Fault CONFIG_SYNTAX unless given
 */
export function parseYaml(text: string, file: string, refuse: Refusal = refusal): YamlFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const [error] = document.errors;
  if (error !== undefined) throw refuse(error.message, at(error.pos[0]));
  return {
    data: toData(),
    locate: (path) => {
      for (let length = path.length; length >= 0; length--) {
        const node: unknown = length === 0 ? document.contents : document.getIn(path.slice(0, length), true);
        if (isNode(node) && node.range) return [at(node.range[0]), path.map(String).join('.')].filter((part) => part !== '').join(' ');
      }
      return file;
    },
  };

  function toData(): unknown {
    try {
      return document.toJS();
    } catch (cause) {
      // An alias without its anchor, or one that unfolds without end, shows only here.
      throw refuse(cause instanceof Error ? cause.message : 'unreadable', file);
    }
  }
}
