import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ENROLMENT_FILE } from '@zerotouch/azure-wire/enrolment';
import { systemClock } from '@zerotouch/foundation/clock';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { Fault } from '@zerotouch/foundation/fault';
import type { EnrolEvent, EnrolSummary } from '@zerotouch/manufacturing/enroll/enrol-batch';
import { addServiceOptions, openService, readEnrolments, type ServiceFlags } from '../dps-target.js';
import { tellCertificates } from '../enrol-certificates.js';
import type { AddVerb, Job } from '../job.js';
import { withLedger } from '../ledger-address.js';

interface EnrollOptions extends ServiceFlags {
  group?: string;
  ledger?: string;
  dryRun?: boolean;
}

/** `zerotouch enroll DIR`: brings the enrolments of a batch to DPS. */
export const addEnroll: AddVerb = (program, run) => {
  addServiceOptions(
    program
      .command('enroll')
      .summary('create the enrolments of a batch at DPS, local or Azure')
      .description(
        'Create the enrolment groups and individual enrolments of a burnt batch through the DPS service API: what is missing is created, what differs is updated, the rest is left alone. It can be run again at any time, and goes on where it was cut off.',
      )
      .argument('<dir>', 'folder of a burnt batch'),
  )
    .option('--group <name>', 'only this enrolment group')
    .option('--dry-run', 'print what would change, and change nothing')
    .option(
      '--ledger <url>',
      'where the batch is recorded: sqlite:PATH, or a postgres:// URL as env:NAME, @FILE or - (default: ledger.db in DIR)',
    )
    .addHelpText(
      'after',
      `
Examples:
  $ zerotouch enroll first --dry-run
  $ zerotouch enroll first --to env:DPS_SERVICE
  $ zerotouch enroll first --to @dps.secret --group line-1 --json

Devices with certificates also need their root verified at DPS, which its service API cannot do: the output says what is to be done.
Exits 3 when DPS cannot be reached, or keeps on throttling.`,
    )
    .action((dir: string, options: EnrollOptions) => run((job) => enroll(dir, options, job)));
};

async function enroll(dir: string, { to, cloud, group, ledger, dryRun, timeout }: EnrollOptions, job: Job): Promise<undefined> {
  const file = await readEnrolments(dir);
  await refuseRevoked(dir, ledger, file.batch, group, dryRun);
  const service = await openService(file, join(dir, ENROLMENT_FILE), { to, cloud, timeout });
  const { enrolBatch } = await import('@zerotouch/manufacturing/enroll/enrol-batch');
  const progress = job.progress(dryRun === true ? 'comparing' : 'enrolling');
  let summary: EnrolSummary;
  try {
    summary = await enrolBatch(file, {
      service,
      group,
      dryRun,
      clock: systemClock,
      entropy: systemEntropy,
      signal: job.signal,
      onEvent: (event) =>
        job.output.event(
          { event: 'enrolment', ...told(event), ...(dryRun === true ? { dryRun } : {}) },
          eventWords(event, dryRun === true),
        ),
      onProgress: (done, total) => progress.update(done, total),
    });
  } finally {
    progress.stop();
    service.close();
  }
  tellCertificates(file, dir, to === undefined, job);
  const { created, updated, unchanged } = summary;
  job.output.result({ created, updated, unchanged }, words(summary, dryRun === true));
  return undefined;
}

/** Enrolling would let devices in again that somebody shut out. */
async function refuseRevoked(dir: string, reference: string | undefined, batch: string, group?: string, dryRun = false): Promise<void> {
  if (dryRun || (reference === undefined && !existsSync(join(dir, 'ledger.db')))) return;
  const { eventsOf, isRevoked } = await import('@zerotouch/manufacturing/rework/events');
  await withLedger(dir, reference, async (ledger) => {
    const { revoked } = await eventsOf(ledger, batch);
    if (revoked.size === 0 || (group !== undefined && !isRevoked(revoked, group))) return;
    throw new Fault('ENROLMENT_REVOKED', 'enrolments of this batch were revoked, and enrolling would let their devices in again', {
      where: ledger.where,
      seen: [...revoked].map((name) => (name === '' ? 'the whole batch' : name)),
      expected: 'a batch that is not revoked',
      remedy: 'zerotouch batch reinstate says that it may; --group enrols another group',
    });
  });
}

function told(event: EnrolEvent): object {
  if (event.kind !== 'waiting') return event;
  return { kind: event.kind, seconds: Math.round(event.seconds * 10) / 10, why: event.why };
}

function eventWords(event: EnrolEvent, dryRun: boolean): string | undefined {
  if (event.kind === 'waiting') return `DPS: ${event.why}; waiting ${event.seconds.toFixed(1)} s`;
  // People are told of groups, and with a dry run of every change; the rest is the progress bar's business.
  if (event.kind === 'individual' && (!dryRun || event.outcome === 'unchanged')) return undefined;
  const fields = event.outcome === 'updated' ? ` (${event.fields.join(', ')})` : '';
  return `${event.kind === 'group' ? 'enrolment group' : 'enrolment'} ${event.id}: ${dryRun && event.outcome !== 'unchanged' ? 'would be ' : ''}${event.outcome}${fields}`;
}

function words({ created, updated, unchanged }: EnrolSummary, dryRun: boolean): string {
  return `${dryRun ? 'Nothing was changed; it would be: ' : ''}${created} created, ${updated} updated, ${unchanged} unchanged.`;
}
