import type { InspectedImage } from '@zerotouch/flash-image/inspect';
import { inFile } from '@zerotouch/foundation/command/failure';
import { imageTree, treeWords } from '../image-tree.js';
import type { AddVerb, Job } from '../job.js';

/** `zerotouch inspect IMAGE`: what is in a flash image. */
export const addInspect: AddVerb = (program, run) => {
  program
    .command('inspect')
    .summary('show what is in a flash image')
    .description('Show the partitions of a flash image, the identity in it, its certificates and NVS entries. Writes nothing.')
    .argument('<image>', 'a flash image')
    .option('--reveal', 'show private and symmetric keys instead of masking them')
    .addHelpText(
      'after',
      '\nExamples:\n  $ zerotouch inspect batch/images/pump-000001.bin\n  $ zerotouch inspect pump.bin --json | jq .identity',
    )
    .action((image: string, { reveal = false }: { reveal?: boolean }) => run((job) => inspect(image, reveal, job)));
};

async function inspect(path: string, reveal: boolean, { output }: Job): Promise<undefined> {
  const tree = imageTree(path, await read(path), reveal);
  output.result({ ...tree }, treeWords(tree));
  return undefined;
}

async function read(path: string): Promise<InspectedImage> {
  const { readEfuseBeside } = await import('@zerotouch/flash-image/efuse');
  const { fileStorage } = await import('@zerotouch/flash-image/storage');
  const { inspectImage } = await import('@zerotouch/flash-image/inspect');
  const storage = fileStorage(path, { readOnly: true });
  try {
    return await inFile(path, () => {
      const efuse = readEfuseBeside(path);
      return inspectImage(storage, efuse === undefined ? {} : { efuse });
    });
  } finally {
    storage.close();
  }
}
