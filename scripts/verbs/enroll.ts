import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ENROLMENT_FILE, type EnrolmentFile } from '@zerotouch/azure-wire/enrolment';
import { CLOUD_FILE } from '@zerotouch/firmware-sim/runtime/cloud-file';
import { systemClock } from '@zerotouch/foundation/clock';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { Fault } from '@zerotouch/foundation/fault';
import type { EnrolEvent, EnrolSummary } from '@zerotouch/manufacturing/enroll/enrol-batch';
import { InvalidArgumentError, Option } from 'commander';
import type { AddVerb, Job } from '../job.js';
import { localService } from '../local-service.js';
import { readSecret } from '../secret.js';

const NO_CLOUD = 'start zerotouch cloud in this folder, name its file with --cloud, or a DPS instance with --to';

interface EnrollOptions {
  to?: string;
  cloud: string;
  group?: string;
  dryRun?: boolean;
  timeout: number;
}

/** Where to enrol, and what is known of it. */
interface Target {
  connectionString: string;
  ca?: string;
  /** Of the local cloud; Azure's service API does not tell it. */
  idScope?: string;
}

/** `zerotouch enroll DIR`: brings the enrolments of a batch to DPS. */
export const addEnroll: AddVerb = (program, run) => {
  program
    .command('enroll')
    .summary('create the enrolments of a batch at DPS, local or Azure')
    .description(
      'Create the enrolment groups and individual enrolments of a burnt batch through the DPS service API: what is missing is created, what differs is updated, the rest is left alone. It can be run again at any time, and goes on where it was cut off.',
    )
    .argument('<dir>', 'folder of a burnt batch')
    .option(
      '--to <secret>',
      'service connection string of the DPS instance, as env:NAME, @FILE or - (stdin); without it, the local cloud of this folder',
    )
    .option('--cloud <file>', 'the file that zerotouch cloud wrote', CLOUD_FILE)
    .option('--group <name>', 'only this enrolment group')
    .option('--dry-run', 'print what would change, and change nothing')
    .addOption(new Option('--timeout <seconds>', 'until a request counts as unanswered').argParser(parseSeconds).default(30))
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

async function enroll(dir: string, { to, cloud, group, dryRun, timeout }: EnrollOptions, job: Job): Promise<undefined> {
  const file = await readEnrolments(dir);
  const target: Target = to === undefined ? await localService(cloud, NO_CLOUD) : { connectionString: await readSecret(to, '--to') };
  if (target.idScope !== undefined && target.idScope !== file.idScope) {
    throw new Fault('ID_SCOPE_MISMATCH', `batch ${JSON.stringify(file.batch)} was burnt for another ID scope`, {
      where: join(dir, ENROLMENT_FILE),
      seen: file.idScope,
      expected: target.idScope,
    });
  }
  const { openAzureService } = await import('@zerotouch/manufacturing/enroll/azure-service');
  const { enrolBatch } = await import('@zerotouch/manufacturing/enroll/enrol-batch');
  const service = await openAzureService({ connectionString: target.connectionString, ca: target.ca, timeout: timeout * 1000 });
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

async function readEnrolments(dir: string): Promise<EnrolmentFile> {
  const where = join(dir, ENROLMENT_FILE);
  const text = await readFile(where, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new Fault('ENROLMENTS_MISSING', `the enrolments cannot be read (${cause.code})`, {
      where,
      expected: `${ENROLMENT_FILE} in the folder of a burnt batch`,
      remedy: 'burn one with zerotouch burn SPEC --out DIR and name that DIR',
      cause,
    });
  });
  const { parseEnrolments } = await import('@zerotouch/manufacturing/enrol-file');
  return parseEnrolments(text, where);
}

/** What the service API cannot do is said plainly: without it, no device of an X.509 group gets in. */
function tellCertificates({ certificates }: EnrolmentFile, dir: string, local: boolean, { output }: Job): void {
  for (const { name } of certificates) {
    const todo = local
      ? `zerotouch cloud --enrollments ${dir}`
      : `az iot dps certificate create --dps-name DPS --resource-group GROUP --certificate-name ${name} --path ROOT.pem --verified true`;
    output.event(
      { event: 'certificate', name, todo },
      `CA certificate ${name}: the service API takes none. If DPS does not have it verified yet: ${todo}${local ? '' : ' (ROOT.pem: root.pem of the authority, ca/ in the folder of the batch unless its spec says otherwise)'}`,
    );
  }
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

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (!/^\d{1,6}(\.\d+)?$/.test(text) || seconds <= 0) throw new InvalidArgumentError('expected a number of seconds above 0.');
  return seconds;
}
