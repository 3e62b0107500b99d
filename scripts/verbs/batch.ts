import { join, resolve } from 'node:path';
import { systemClock } from '@zerotouch/foundation/clock';
import { Fault } from '@zerotouch/foundation/fault';
import type { Move } from '@zerotouch/manufacturing/rework/rework';
import { type Command, Option } from 'commander';
import type { AddVerb, Job, RunVerb } from '../job.js';
import {
  type AuthorFlags,
  addAuthorOptions,
  addLedgerOption,
  authorOf,
  burntLedgerAddress,
  type LedgerFlags,
  withLedger,
} from '../ledger-address.js';
import { addProve } from '../prove.js';
import { addRecall } from '../recall.js';
import { writePrivately } from '../state-file.js';

interface MoveFlags extends AuthorFlags {
  reason?: string;
}

/** `zerotouch batch ...`: what becomes of a batch after it was burnt. An addition to the verbs of the factory. */
export const addBatch: AddVerb = (program, run) => {
  const batch = program
    .command('batch')
    .summary('after the burn: ship, quarantine, return, burn again, recall; history, labels, report')
    .description(
      'What becomes of a batch after it was burnt. Every move is a record of its own in the ledger: nothing is ever taken back, only put right.',
    )
    .addHelpText(
      'after',
      `
Examples:
  $ zerotouch batch labels first --out labels --symbol data-matrix
  $ zerotouch batch report first --out first.html
  $ zerotouch batch ship first
  $ zerotouch batch return first pump-000017 --reason "water damage"
  $ zerotouch batch revoke first --group line-1 --reason "key read out" --to env:DPS_SERVICE
  $ zerotouch batch replace-ca batch.yaml --out first --level line --reason "laptop stolen" --to env:DPS_SERVICE`,
    );
  addMove(batch, run, 'ship', 'record that devices left the factory: those named, else all that are verified');
  addMove(batch, run, 'return', 'record that devices came back');
  addMove(batch, run, 'quarantine', 'hold devices back until somebody has looked into them: they cannot ship');
  addMove(batch, run, 'release', 'end the quarantine of devices');
  addMove(batch, run, 'scrap', 'record that devices will never be used');
  addMove(batch, run, 'reburn', 'give devices a new identity with the next burn --resume; the old one is retired');
  addRecall(batch, run);
  addProve(batch, run);
  addLedgerOption(
    batch
      .command('history')
      .summary('what happened to a device')
      .argument('<dir>', 'folder of the batch')
      .argument('<id>', 'registration id'),
  ).action((dir: string, id: string, flags: LedgerFlags) => run((job) => history(dir, id, flags, job)));
  batch
    .command('labels')
    .summary('labels with QR code or Data Matrix, as sheets of SVG')
    .argument('<dir>', 'folder of the batch')
    .requiredOption('--out <dir>', 'folder of the sheets')
    .addOption(new Option('--symbol <name>', 'the code on each label').choices(['qr', 'data-matrix']).default('qr'))
    .action((dir: string, flags: { out: string; symbol: 'qr' | 'data-matrix' }) => run((job) => labels(dir, flags, job)));
  addLedgerOption(
    batch
      .command('report')
      .summary('one page of HTML for the files of quality management')
      .argument('<dir>', 'folder of the batch')
      .requiredOption('--out <file>', 'the page'),
  ).action((dir: string, flags: LedgerFlags & { out: string }) => run((job) => report(dir, flags, job)));
};

function addMove(batch: Command, run: RunVerb, move: Move, summary: string): void {
  const all = move === 'ship';
  addAuthorOptions(
    batch
      .command(move)
      .summary(summary)
      .description(`${summary[0]?.toUpperCase()}${summary.slice(1)}.`),
  )
    .argument('<dir>', 'folder of the batch')
    .argument(all ? '[id...]' : '<id...>', 'registration ids')
    .addOption(new Option('--reason <text>', 'why; kept in the history').makeOptionMandatory(!all))
    .action((dir: string, ids: string[], flags: MoveFlags) => run((job) => moveAll(move, dir, ids, flags, job)));
}

async function moveAll(move: Move, dir: string, ids: readonly string[], flags: MoveFlags, job: Job): Promise<undefined> {
  const { moveDevices } = await import('@zerotouch/manufacturing/rework/rework');
  const author = authorOf(flags);
  const batch = await nameOf(dir);
  await withLedger(dir, flags.ledger, async (ledger) => {
    const moved = await moveDevices({
      ledger,
      batch,
      move,
      devices: ids.length > 0 ? ids : { states: ['verified'] },
      reason: flags.reason ?? move,
      author,
      signal: job.signal,
      onMoved: (registrationId) => job.output.event({ event: 'moved', registrationId, move }, undefined),
    });
    job.output.result({ moved, move, batch }, `${moved} of batch ${batch}: ${move}`);
  });
  return undefined;
}

async function history(dir: string, id: string, flags: LedgerFlags, job: Job): Promise<undefined> {
  await withLedger(dir, flags.ledger, async (ledger) => {
    const device = await ledger.device(id);
    if (device === undefined) throw new Fault('LEDGER_UNKNOWN', 'the ledger has no such device', { where: ledger.where, seen: id });
    for (const record of await ledger.history(id)) {
      const { from, to, at, station, operator, reason } = record;
      const who = operator === undefined ? station : `${operator} at ${station}`;
      job.output.event(
        { event: 'history', ...record, at: new Date(at).toISOString() },
        `${new Date(at).toISOString()}  ${from} -> ${to}  ${who}${reason === undefined ? '' : `: ${reason}`}`,
      );
    }
    const { registrationId, serial, state } = device;
    job.output.result({ registrationId, serial, state }, `${registrationId}, serial ${serial}: ${state}`);
  });
  return undefined;
}

async function labels(dir: string, { out, symbol }: { out: string; symbol: 'qr' | 'data-matrix' }, job: Job): Promise<undefined> {
  const { labelSheets } = await import('@zerotouch/manufacturing/labels/labels');
  const { manifestRecords } = await import('@zerotouch/manufacturing/report/batch-report');
  let devices = 0;
  async function* labelled() {
    for await (const record of manifestRecords(dir)) {
      if (record.type !== 'device') continue;
      devices++;
      yield record;
    }
  }
  let sheets = 0;
  for await (const sheet of labelSheets(labelled(), { symbol })) {
    job.signal.throwIfAborted();
    writePrivately(join(out, `labels-${String(++sheets).padStart(4, '0')}.svg`), sheet);
  }
  job.output.result({ devices, sheets, out: resolve(out) }, `${devices} labels on ${sheets} sheets: ${resolve(out)}`);
  return undefined;
}

async function report(dir: string, { out, ledger }: LedgerFlags & { out: string }, job: Job): Promise<undefined> {
  const { reportBatch } = await import('@zerotouch/manufacturing/report/batch-report');
  writePrivately(out, await reportBatch(dir, systemClock, ledger === undefined ? undefined : await burntLedgerAddress(ledger)));
  job.output.result({ out: resolve(out) }, `written: ${resolve(out)}`);
  return undefined;
}

async function nameOf(dir: string): Promise<string> {
  const { manifestRecords } = await import('@zerotouch/manufacturing/report/batch-report');
  for await (const record of manifestRecords(dir)) if (record.type === 'batch') return record.batch;
  throw new Fault('MANIFEST_UNREADABLE', 'the manifest does not name the batch', { where: dir });
}
