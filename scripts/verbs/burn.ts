import { hostname } from 'node:os';
import { systemClock } from '@zerotouch/foundation/clock';
import { EXIT, type ExitCode } from '@zerotouch/foundation/command/failure';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import type { BurnEvent, BurnSummary } from '@zerotouch/manufacturing/batch';
import type { Ledger } from '@zerotouch/manufacturing/ledger/ledger';
import { InvalidArgumentError } from 'commander';
import { readBatchSpec } from '../batch-spec.js';
import { readCustodySecrets } from '../custody-secrets.js';
import type { AddVerb, Job } from '../job.js';
import { ledgerAddress } from '../ledger-address.js';

/** `zerotouch burn SPEC --out DIR`: manufactures a batch. */
export const addBurn: AddVerb = (program, run) => {
  program
    .command('burn')
    .summary('manufacture a batch: a flash image for each device')
    .description(
      'Manufacture a batch: a flash image for each device (images/), the enrolments that DPS needs (enrolments.json), the manifest and, where the devices have certificates, the certificate authority (ca/).',
    )
    .argument('<spec>', 'what to burn, YAML or JSON; zerotouch schema batch prints its schema')
    .requiredOption('--out <dir>', 'folder of the batch: new or empty, unless --resume')
    .option(
      '--ledger <url>',
      'where devices are recorded: sqlite:PATH, or a postgres:// URL as env:NAME, @FILE or - (default: ledger.db in DIR)',
    )
    .option('--resume', 'go on with a batch that was begun, here or beside other stations in the same folder')
    .option('--workers <n>', 'threads to burn in', parseWorkers, 1)
    .option('--station <name>', 'this station, as the ledger calls it (default: the name of the machine)')
    .option('--operator <name>', 'who burns, as the ledger calls them')
    .addHelpText(
      'after',
      `
Example:
  $ cat batch.yaml
  version: 1
  batch: first
  groups:
    - attestation: x509
      enrolmentGroup: line-1
      registrationId: pump-{serial}
      serial: { count: 20 }
      initialTwin: { desired: { interval: 30 } }
  $ zerotouch burn batch.yaml --out first
  $ zerotouch burn batch.yaml --out first --resume   # after a crash, or as a second station
  $ zerotouch cloud --enrollments first`,
    )
    .action((spec: string, options: BurnFlags) => run((job) => burn(spec, options, job)));
};

interface BurnFlags {
  out: string;
  ledger?: string;
  resume?: boolean;
  workers: number;
  station?: string;
  operator?: string;
}

async function burn(path: string, flags: BurnFlags, job: Job): Promise<ExitCode> {
  const spec = await readBatchSpec(path);
  const { burnBatch } = await import('@zerotouch/manufacturing/batch');
  const progress = job.progress('burning');
  const onProgress = (event: BurnEvent): void => {
    const { kind, ...details } = event;
    job.output.event({ event: kind, ...details }, eventWords(event));
    if (event.kind === 'burnt' || event.kind === 'failed') progress.update(event.done, event.total);
  };
  const { out, resume = false, workers } = flags;
  const author = { station: flags.station ?? hostname(), ...(flags.operator === undefined ? {} : { operator: flags.operator }) };
  const ledger = flags.ledger === undefined ? undefined : await openNamedLedger(flags.ledger);
  const secrets = await readCustodySecrets(spec);
  const base = { secrets, out, resume, workers, author, clock: systemClock, entropy: systemEntropy, onProgress, signal: job.signal };
  const summary = await burnBatch(spec, ledger === undefined ? base : { ...base, ledger }).finally(async () => {
    progress.stop();
    await ledger?.close();
  });
  const { burnt, skipped, failed, seconds } = summary;
  job.output.result({ burnt, skipped, failed, seconds, out: summary.out }, words(summary));
  if (summary.aborted && job.signal.aborted) throw job.signal.reason;
  return failed > 0 ? EXIT.failed : EXIT.done;
}

function parseWorkers(text: string): number {
  const workers = Number(text);
  if (!/^\d{1,3}$/.test(text) || workers < 1 || workers > 256) throw new InvalidArgumentError('expected how many threads, 1 to 256.');
  return workers;
}

async function openNamedLedger(reference: string): Promise<Ledger> {
  const address = await ledgerAddress(reference);
  const { openLedger } = await import('@zerotouch/manufacturing/ledger/ledger');
  return openLedger(address);
}

/** What people are told; images one by one are the progress bar's business. */
function eventWords(event: BurnEvent): string | undefined {
  switch (event.kind) {
    case 'warning':
      return `warning: ${event.warning.where}: ${event.warning.message}`;
    case 'authority':
      return event.made.length === 0 ? `authority used again: ${event.root}` : `authority made: ${event.root}`;
    case 'failed':
      return `failed: ${event.registrationId}: ${event.reason}`;
    case 'written':
      return `written: ${event.file}`;
    default:
      return undefined;
  }
}

function words({ burnt, skipped, failed, seconds, out, aborted }: BurnSummary): string {
  const counts = [`${burnt} burnt`, ...(skipped > 0 ? [`${skipped} skipped`] : []), ...(failed > 0 ? [`${failed} failed`] : [])];
  return `${aborted ? 'Ended early: ' : ''}${counts.join(', ')} in ${seconds.toFixed(1)} s: ${out}`;
}
