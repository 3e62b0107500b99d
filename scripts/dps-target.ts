import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ENROLMENT_FILE, type EnrolmentFile } from '@zerotouch/azure-wire/enrolment';
import { CLOUD_FILE } from '@zerotouch/firmware-sim/runtime/cloud-file';
import { Fault } from '@zerotouch/foundation/fault';
import type { DpsService } from '@zerotouch/manufacturing/enroll/service';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { localService } from './local-service.js';
import { readSecret } from './secret.js';

const NO_CLOUD = 'start zerotouch cloud in this folder, name its file with --cloud, or a DPS instance with --to';

/** Which DPS a verb means. */
export interface ServiceFlags {
  to?: string | undefined;
  cloud: string;
  /** Seconds. */
  timeout: number;
}

/** Adds the options that name a DPS: `--to`, `--cloud`, `--timeout`. */
export function addServiceOptions(command: Command): Command {
  return command
    .option(
      '--to <secret>',
      'service connection string of the DPS instance, as env:NAME, @FILE or - (stdin); without it, the local cloud of this folder',
    )
    .option('--cloud <file>', 'the file that zerotouch cloud wrote', CLOUD_FILE)
    .addOption(new Option('--timeout <seconds>', 'until a request counts as unanswered').argParser(parseSeconds).default(30));
}

/**
 * Opens the DPS that the options name, for a batch; the caller closes it.
 * @param where how the enrolments are called in errors
 * @throws Fault ID_SCOPE_MISMATCH, NO_LOCAL_CLOUD, SECRET_*; ManufacturingFault DPS_ADDRESS
 */
export async function openService(
  { batch, idScope }: EnrolmentFile,
  where: string,
  { to, cloud, timeout }: ServiceFlags,
): Promise<DpsService> {
  // Azure's service API does not tell its ID scope.
  const target: { connectionString: string; ca?: string; idScope?: string } =
    to === undefined ? await localService(cloud, NO_CLOUD) : { connectionString: await readSecret(to, '--to') };
  if (target.idScope !== undefined && target.idScope !== idScope) {
    throw new Fault('ID_SCOPE_MISMATCH', `batch ${JSON.stringify(batch)} was burnt for another ID scope`, {
      where,
      seen: idScope,
      expected: target.idScope,
    });
  }
  const { openAzureService } = await import('@zerotouch/manufacturing/enroll/azure-service');
  return openAzureService({ connectionString: target.connectionString, ca: target.ca, timeout: timeout * 1000 });
}

/**
 * The enrolments in the folder of a batch.
 * @throws Fault ENROLMENTS_MISSING; ManufacturingFault ENROLMENTS_UNREADABLE
 */
export async function readEnrolments(dir: string): Promise<EnrolmentFile> {
  const { where, text } = await readEnrolmentText(dir);
  const { parseEnrolments } = await import('@zerotouch/manufacturing/enrol-file');
  return parseEnrolments(text, where);
}

/**
 * What the file of enrolments in the folder of a batch holds, unread, and where it is. Secret.
 * @throws Fault ENROLMENTS_MISSING
 */
export async function readEnrolmentText(dir: string): Promise<{ where: string; text: string }> {
  const where = join(dir, ENROLMENT_FILE);
  const text = await readFile(where, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new Fault('ENROLMENTS_MISSING', `the enrolments cannot be read (${cause.code})`, {
      where,
      expected: `${ENROLMENT_FILE} in the folder of a burnt batch`,
      remedy: 'burn one with zerotouch burn SPEC --out DIR and name that DIR',
      cause,
    });
  });
  return { where, text };
}

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (!/^\d{1,6}(\.\d+)?$/.test(text) || seconds <= 0) throw new InvalidArgumentError('expected a number of seconds above 0.');
  return seconds;
}
