import { join } from 'node:path';
import { ENROLMENT_FILE } from '@zerotouch/azure-wire/enrolment';
import { systemClock } from '@zerotouch/foundation/clock';
import { EXIT, type ExitCode } from '@zerotouch/foundation/command/failure';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import type { AuthorityLevel } from '@zerotouch/manufacturing/authority-levels';
import type { EnrolSummary } from '@zerotouch/manufacturing/enroll/enrol-batch';
import type { Ledger } from '@zerotouch/manufacturing/ledger/ledger';
import { type Command, Option } from 'commander';
import { readBatchSpec } from './batch-spec.js';
import { readCustodySecrets } from './custody-secrets.js';
import { addServiceOptions, openService, readEnrolments, type ServiceFlags } from './dps-target.js';
import type { Job, RunVerb } from './job.js';
import { type AuthorFlags, addAuthorOptions, addLedgerOption, authorOf, type LedgerFlags, withLedger } from './ledger-address.js';

interface RevokeFlags extends AuthorFlags, ServiceFlags {
  group?: string;
  reason: string;
}

interface ReplaceFlags extends RevokeFlags {
  out: string;
  level: AuthorityLevel;
  offline?: boolean;
}

/** Adds to `zerotouch batch` what is done with a whole batch: `revoke`, `reinstate`, `replace-ca`, `events`. */
export function addRecall(batch: Command, run: RunVerb): void {
  for (const verb of ['revoke', 'reinstate'] as const) {
    addAuthorOptions(
      addServiceOptions(
        batch
          .command(verb)
          .summary(
            verb === 'revoke'
              ? 'shut the devices of a batch, or of a group, out at DPS'
              : 'end a revocation: enrol the batch, or the group, as its burn wrote it',
          )
          .argument('<dir>', 'folder of the batch')
          .option('--group <name>', 'only this enrolment group')
          .requiredOption('--reason <text>', 'why; kept in the ledger'),
      ),
    ).action((dir: string, flags: RevokeFlags) => run((job) => revoke(verb, dir, flags, job)));
  }
  addAuthorOptions(
    addServiceOptions(
      batch
        .command('replace-ca')
        .summary('replace a CA that leaked: revoke, make a new one, burn again, move the enrolments')
        .description(
          'Replace a CA that leaked, and those below it. In this order: its enrolments are disabled at DPS; the old CA goes to replaced/ in the folder of the authority, and a new one is made; every device that was not shipped is burnt again under it; the enrolments name the new CA, and are enabled. Devices in the field stay shut out; what came back, or is in quarantine, waits for a decision. Cut off, the same command goes on.',
        )
        .argument('<spec>', 'the spec that the batch was burnt from')
        .requiredOption('--out <dir>', 'folder of the batch')
        .addOption(new Option('--level <name>', 'the CA that leaked').choices(['root', 'line', 'batch']).makeOptionMandatory())
        .option('--group <name>', 'the enrolment group whose CA it is (default: all of the batch)')
        .option('--offline', 'leave DPS alone: revoke and enrol by other means')
        .requiredOption('--reason <text>', 'why; kept in the ledger'),
    ),
  ).action((spec: string, flags: ReplaceFlags) => run((job) => replaceCa(spec, flags, job)));
  addLedgerOption(batch.command('events').summary('what happened to a batch as a whole').argument('<dir>', 'folder of the batch')).action(
    (dir: string, flags: LedgerFlags) => run((job) => events(dir, flags, job)),
  );
}

async function revoke(verb: 'revoke' | 'reinstate', dir: string, flags: RevokeFlags, job: Job): Promise<undefined> {
  const summary = await atDps(dir, flags, job, verb);
  const { created, updated, unchanged } = summary;
  const done = verb === 'revoke' ? 'revoked' : 'reinstated';
  job.output.result(
    { [done]: true, created, updated, unchanged },
    `${done}: ${updated + created} enrolments changed, ${unchanged} were so.`,
  );
  return undefined;
}

/** Revokes or reinstates at DPS, and records it. */
async function atDps(dir: string, flags: RevokeFlags, job: Job, verb: 'revoke' | 'reinstate', opened?: Ledger): Promise<EnrolSummary> {
  const { revokeRecorded, reinstateRecorded } = await import('@zerotouch/manufacturing/rework/revoke');
  const file = await readEnrolments(dir);
  const service = await openService(file, join(dir, ENROLMENT_FILE), flags);
  const progress = job.progress(verb === 'revoke' ? 'revoking' : 'enrolling');
  const options = {
    service,
    group: flags.group,
    clock: systemClock,
    entropy: systemEntropy,
    signal: job.signal,
    onProgress: (done: number, total: number) => progress.update(done, total),
  };
  const work = (ledger: Ledger): Promise<EnrolSummary> => {
    const recorded = { ledger, reason: flags.reason, author: authorOf(flags) };
    return verb === 'revoke' ? revokeRecorded(file, recorded, options) : reinstateRecorded(file, recorded, options);
  };
  try {
    return await (opened === undefined ? withLedger(dir, flags.ledger, work) : work(opened));
  } finally {
    progress.stop();
    service.close();
  }
}

async function replaceCa(path: string, flags: ReplaceFlags, job: Job): Promise<ExitCode> {
  const spec = await readBatchSpec(path);
  const secrets = await readCustodySecrets(spec);
  const { out, level, offline = false, reason } = flags;
  // With the root, every group of the batch goes.
  const group = level === 'root' ? undefined : flags.group;
  const { replaceAuthority } = await import('@zerotouch/manufacturing/rework/replace-authority');
  const { burnBatch } = await import('@zerotouch/manufacturing/batch');
  return withLedger(out, flags.ledger, async (ledger) => {
    const author = authorOf(flags);
    const base = { clock: systemClock, entropy: systemEntropy, ledger, author, secrets };
    const recall = { ...flags, ...(group === undefined ? {} : { group }) };
    if (!offline) await atDps(out, recall, job, 'revoke', ledger);
    const retiring = job.progress('retiring');
    const replacement = await replaceAuthority({
      ...base,
      spec,
      out,
      level,
      group,
      reason,
      onRetired: (_, retired) => retiring.update(retired, retired),
    }).finally(() => retiring.stop());
    job.output.event({ event: 'replaced', ...replacement }, `given up: ${replacement.replaced.join(', ')}`);
    const burning = job.progress('burning');
    const burnt = await burnBatch(spec, {
      ...base,
      out,
      resume: true,
      signal: job.signal,
      onProgress: (event) => {
        if (event.kind === 'burnt' || event.kind === 'failed') burning.update(event.done, event.total);
        if (event.kind === 'failed') job.output.event({ event: event.kind, ...event }, `failed: ${event.registrationId}: ${event.reason}`);
      },
    }).finally(() => burning.stop());
    if (burnt.aborted && job.signal.aborted) throw job.signal.reason;
    const enrolled = offline || burnt.failed > 0 ? null : await atDps(out, recall, job, 'reinstate', ledger);
    const { replaced, fielded, held } = replacement;
    job.output.result(
      { replaced, burnt: burnt.burnt, failed: burnt.failed, fielded, held, enrolled },
      `${replaced.length} CAs replaced, ${burnt.burnt} devices burnt again, ${burnt.failed} failed; ${fielded} in the field are shut out, ${held} are held back.`,
    );
    return burnt.failed > 0 ? EXIT.failed : EXIT.done;
  });
}

async function events(dir: string, flags: LedgerFlags, job: Job): Promise<undefined> {
  const { batch } = await readEnrolments(dir);
  await withLedger(dir, flags.ledger, async (ledger) => {
    const all = await ledger.events(batch);
    for (const event of all) {
      const { kind, subject, at, station, operator, reason } = event;
      const who = operator === undefined ? station : `${operator} at ${station}`;
      job.output.event(
        { event: 'event', ...event, at: new Date(at).toISOString() },
        `${new Date(at).toISOString()}  ${kind}${subject === '' ? '' : ` (group ${subject})`}  ${who}: ${reason}`,
      );
    }
    job.output.result({ batch, events: all.length }, `${all.length} events of batch ${batch}.`);
  });
  return undefined;
}
