import { systemClock } from '@zerotouch/foundation/clock';
import { EXIT, type ExitCode } from '@zerotouch/foundation/command/failure';
import type { AuditSummary, Finding } from '@zerotouch/manufacturing/audit/audit';
import { InvalidArgumentError, Option } from 'commander';
import { readBatchSpec } from '../batch-spec.js';
import type { AddVerb, Job } from '../job.js';
import { burntLedgerAddress } from '../ledger-address.js';

interface VerifyOptions {
  batch?: string;
  manifest?: string;
  root?: string;
  ledger?: string;
  shipped?: boolean;
  fielded?: boolean;
  horizon?: number;
}

/** `zerotouch verify PATH...`: audits images and batches before they ship. */
export const addVerify: AddVerb = (program, run) => {
  program
    .command('verify')
    .summary('audit images and batches: what would go wrong in the field')
    .description(
      'Audit images, folders of images and whole batches: damage, names, certificates, keys, enrolments, what two images share, and with a manifest every bit of the read-only partitions. One line a finding, with its code, reason and remedy. Writes nothing.',
    )
    .argument('<path...>', 'images, folders of images, or folders of burnt batches')
    .option('--batch <spec>', 'the spec that the images were burnt from: their names, ID scope, endpoint and layout must be those')
    .option('--manifest <file>', 'the manifest of the images, where it is not in the folder of their batch')
    .option('--root <file>', 'the root certificate that must vouch for the manifest, from where you trust it; else the one in ca/')
    .option(
      '--ledger <url>',
      'the ledger of the batch: sqlite:PATH, or a postgres:// URL as env:NAME, @FILE or - (default: ledger.db in its folder)',
    )
    .addOption(new Option('--shipped', 'the images leave the factory: no device may have written to one').conflicts('fielded'))
    .addOption(new Option('--fielded', 'the images come back from devices, which have written to them').conflicts('shipped'))
    .addOption(new Option('--horizon <days>', 'tell certificates that expire within so many days').argParser(parseDays).default(90))
    .addHelpText(
      'after',
      `
Examples:
  $ zerotouch verify first --shipped
  $ zerotouch verify first --batch batch.yaml --shipped --horizon 3650
  $ zerotouch verify first --ledger env:LEDGER_URL --shipped
  $ zerotouch verify returned/pump-000017.bin --manifest first/manifest.jsonl --fielded --json

Exits 1 when errors were found; warnings alone leave it 0.`,
    )
    .action((paths: string[], options: VerifyOptions) => run((job) => verify(paths, options, job)));
};

async function verify(paths: string[], options: VerifyOptions, job: Job): Promise<ExitCode> {
  const { manifest, root, shipped, fielded, horizon } = options;
  const ledger = options.ledger === undefined ? undefined : await burntLedgerAddress(options.ledger);
  const spec = options.batch === undefined ? undefined : await readBatchSpec(options.batch);
  const { audit } = await import('@zerotouch/manufacturing/audit/audit');
  const summary = await audit({
    paths,
    spec,
    manifest,
    root,
    ledger,
    life: shipped === true ? 'shipped' : fielded === true ? 'fielded' : undefined,
    horizonDays: horizon,
    clock: systemClock,
    onFinding: (finding) => job.output.event({ ...finding }, findingWords(finding)),
    signal: job.signal,
  });
  job.output.result({ ...summary }, words(summary));
  return summary.errors > 0 ? EXIT.failed : EXIT.done;
}

function parseDays(text: string): number {
  const days = Number(text);
  if (!/^\d{1,5}$/.test(text)) throw new InvalidArgumentError('expected a number of days, 0 to 99999.');
  return days;
}

function findingWords({ image, code, severity, where, reason, remedy }: Finding): string {
  const place = image === null || where === image ? where : `${image}: ${where}`;
  return `${severity} ${code}: ${place}: ${reason}; ${remedy}`;
}

function words({ images, errors, warnings }: AuditSummary): string {
  if (errors + warnings === 0) return `${images} images, nothing to tell.`;
  return `${images} images: ${errors} errors, ${warnings} warnings.`;
}
