import { readFile } from 'node:fs/promises';
import { Fault } from '@zerotouch/foundation/fault';
import type { BatchSpec } from '@zerotouch/manufacturing/spec';

/**
 * Reads a batch spec.
 * @throws Fault SPEC_UNREADABLE; SpecFault
 */
export async function readBatchSpec(path: string): Promise<BatchSpec> {
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new Fault('SPEC_UNREADABLE', `the spec cannot be read (${cause.code})`, {
      where: path,
      expected: 'a batch spec, YAML or JSON',
      remedy: 'zerotouch burn --help shows one',
      cause,
    });
  });
  const { parseSpec } = await import('@zerotouch/manufacturing/spec');
  return parseSpec(text, path);
}
