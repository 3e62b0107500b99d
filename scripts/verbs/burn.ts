import { readFile } from 'node:fs/promises';
import { systemClock } from '@zerotouch/foundation/clock';
import { EXIT, type ExitCode } from '@zerotouch/foundation/command/failure';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { Fault } from '@zerotouch/foundation/fault';
import type { BurnEvent, BurnSummary } from '@zerotouch/manufacturing/batch';
import type { AddVerb, Job } from '../job.js';

/** `zerotouch burn SPEC --out DIR`: manufactures a batch. */
export const addBurn: AddVerb = (program, run) => {
  program
    .command('burn')
    .summary('manufacture a batch: a flash image for each device')
    .description(
      'Manufacture a batch: a flash image for each device (images/), the enrolments that DPS needs (enrolments.json), the manifest and, where the devices have certificates, the certificate authority (ca/).',
    )
    .argument('<spec>', 'what to burn, YAML or JSON; zerotouch schema batch prints its schema')
    .requiredOption('--out <dir>', 'folder of the batch: new or empty')
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
  $ zerotouch cloud --enrollments first`,
    )
    .action((spec: string, { out }: { out: string }) => run((job) => burn(spec, out, job)));
};

async function burn(path: string, out: string, job: Job): Promise<ExitCode> {
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new Fault('SPEC_UNREADABLE', `the spec cannot be read (${cause.code})`, {
      where: path,
      expected: 'a batch spec, YAML or JSON',
      remedy: 'zerotouch burn --help shows one',
      cause,
    });
  });
  const { parseSpec } = await import('@zerotouch/manufacturing/spec');
  const spec = parseSpec(text, path);
  const { burnBatch } = await import('@zerotouch/manufacturing/batch');
  const progress = job.progress('burning');
  const onProgress = (event: BurnEvent): void => {
    const { kind, ...details } = event;
    job.output.event({ event: kind, ...details }, eventWords(event));
    if (event.kind === 'burnt' || event.kind === 'failed') progress.update(event.done, event.total);
  };
  const options = { out, clock: systemClock, entropy: systemEntropy, onProgress, signal: job.signal };
  const summary = await burnBatch(spec, options).finally(() => progress.stop());
  const { burnt, skipped, failed, seconds } = summary;
  job.output.result({ burnt, skipped, failed, seconds, out: summary.out }, words(summary));
  if (summary.aborted) throw job.signal.reason;
  return failed > 0 ? EXIT.failed : EXIT.done;
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
