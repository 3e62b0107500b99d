import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { CloudOptions } from '@zerotouch/cloud-sim/cloud';
import { Fault } from '@zerotouch/foundation/fault';
import { isNode, LineCounter, parseDocument } from 'yaml';

/**
 * Reads the file of `zerotouch cloud --config`, YAML or JSON. Paths in it are taken from its folder.
 * @throws Fault CONFIG_SYNTAX, BAD_CONFIG, or the system's when a file cannot be read
 */
export async function readCloudConfig(file: string): Promise<CloudOptions> {
  const lines = new LineCounter();
  const document = parseDocument(readFileSync(file, 'utf8'), { lineCounter: lines, prettyErrors: false });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const [error] = document.errors;
  if (error !== undefined) throw new Fault('CONFIG_SYNTAX', error.message, { where: at(error.pos[0]), expected: 'YAML or JSON' });

  /** The field, or the innermost part of its path that is there. */
  const locate = (path: readonly (string | number)[]): string => {
    for (let length = path.length; length >= 0; length--) {
      const node: unknown = length === 0 ? document.contents : document.getIn(path.slice(0, length), true);
      if (isNode(node) && node.range) return [at(node.range[0]), path.join('.')].filter((part) => part !== '').join(' ');
    }
    return file;
  };
  const { cloudConfig } = await import('@zerotouch/cloud-sim/config');
  const folder = dirname(file);
  const options = cloudConfig(document.toJS(), locate, (path) => readFileSync(resolve(folder, path), 'utf8'));
  return options.data === undefined ? options : { ...options, data: resolve(folder, options.data) };
}
