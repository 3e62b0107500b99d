import { systemClock } from '@zerotouch/foundation/clock';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { type AuthorityLevel, authorityLevels } from '@zerotouch/manufacturing/authority-levels';
import { type Command, Option } from 'commander';
import { readBatchSpec } from './batch-spec.js';
import { readCustodySecrets } from './custody-secrets.js';
import type { Job, RunVerb } from './job.js';

interface ProveFlags {
  out: string;
  level: AuthorityLevel;
  group?: string;
  code: string;
}

/** Adds `zerotouch batch prove`: the proof of possession that Azure asks for with a code of its own. */
export function addProve(batch: Command, run: RunVerb): void {
  batch
    .command('prove')
    .summary('sign the verification code that Azure drew for a CA certificate')
    .description(
      'Prove possession of a CA key to Azure: upload the CA certificate, have a verification code made for it, and sign that code here. What is printed is the certificate to verify with. The local cloud needs none of this: enrolments.json holds a proof.',
    )
    .argument('<spec>', 'the spec that the batch was burnt from')
    .requiredOption('--out <dir>', 'folder of the batch')
    .requiredOption('--code <code>', 'the verification code')
    .addOption(new Option('--level <name>', 'whose certificate was uploaded').choices(authorityLevels).default('root'))
    .option('--group <name>', 'the enrolment group of a line or batch CA (default: that of devices without a group)')
    .addHelpText(
      'after',
      `
Example:
  $ az iot dps certificate create --dps-name D --resource-group G --name root --path first/ca/root.pem
  $ az iot dps certificate generate-verification-code --dps-name D --resource-group G --name root --etag ETAG
  $ zerotouch batch prove batch.yaml --out first --code CODE > proof.pem
  $ az iot dps certificate verify --dps-name D --resource-group G --name root --path proof.pem --etag ETAG`,
    )
    .action((spec: string, flags: ProveFlags) => run((job) => prove(spec, flags, job)));
}

async function prove(path: string, flags: ProveFlags, { output }: Job): Promise<undefined> {
  const spec = await readBatchSpec(path);
  const { proveCa } = await import('@zerotouch/manufacturing/prove');
  const secrets = await readCustodySecrets(spec);
  const certificate = await proveCa({ spec, ...flags, secrets, clock: systemClock, entropy: systemEntropy });
  output.result({ certificate, code: flags.code }, certificate.trimEnd());
  return undefined;
}
