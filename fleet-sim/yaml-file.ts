import { readFileSync } from 'node:fs';
import { Fault } from '@zerotouch/foundation/fault';
import { isNode, LineCounter, parseDocument } from 'yaml';

/** What a file of a user holds, and where in it. */
export interface YamlFile {
  readonly data: unknown;
  /** `FILE:LINE:COLUMN field.name` of a field, or of the innermost part of its path that is there. */
  locate(path: readonly (string | number)[]): string;
}

/**
 * Reads a file, YAML or JSON.
 * @throws Fault CONFIG_SYNTAX, or the system's when it cannot be read
 */
export function readYamlFile(file: string): YamlFile {
  const lines = new LineCounter();
  const document = parseDocument(readFileSync(file, 'utf8'), { lineCounter: lines, prettyErrors: false });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const [error] = document.errors;
  if (error !== undefined) throw new Fault('CONFIG_SYNTAX', error.message, { where: at(error.pos[0]), expected: 'YAML or JSON' });
  return {
    data: document.toJS(),
    locate: (path) => {
      for (let length = path.length; length >= 0; length--) {
        const node: unknown = length === 0 ? document.contents : document.getIn(path.slice(0, length), true);
        if (isNode(node) && node.range) return [at(node.range[0]), path.join('.')].filter((part) => part !== '').join(' ');
      }
      return file;
    },
  };
}
