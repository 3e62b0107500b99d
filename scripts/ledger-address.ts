import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { Fault } from '@zerotouch/foundation/fault';
import type { Author, Ledger } from '@zerotouch/manufacturing/ledger/ledger';
import type { Command } from 'commander';
import { readSecret } from './secret.js';

/**
 * The address of a ledger as `--ledger` names it: a file (`sqlite:PATH`) openly; that of a server, which may hold a password, as a secret.
 * @throws Fault SECRET_FORM, SECRET_MISSING
 */
export async function ledgerAddress(reference: string): Promise<string> {
  return reference.startsWith('sqlite:') ? reference : readSecret(reference, '--ledger');
}

/**
 * The same, for who reads or goes on with what was burnt: a misspelt path must not make a new, empty ledger.
 * @throws Fault SECRET_FORM, SECRET_MISSING, LEDGER_ABSENT
 */
export async function burntLedgerAddress(reference: string): Promise<string> {
  const address = await ledgerAddress(reference);
  const path = /^sqlite:(?:\/\/)?(.+)$/.exec(address)?.[1];
  if (path === undefined || existsSync(path)) return address;
  throw new Fault('LEDGER_ABSENT', 'there is no ledger of this name', {
    where: path,
    expected: 'the file that zerotouch burn recorded the batch in',
    remedy: 'name the folder of the batch, or with --ledger the ledger that it was burnt with',
  });
}

/** Opens the ledger that `--ledger` names, else the one in the folder of a batch, for some work. */
export async function withLedger<T>(dir: string, reference: string | undefined, work: (ledger: Ledger) => Promise<T>): Promise<T> {
  const { LEDGER_FILE, openLedger } = await import('@zerotouch/manufacturing/ledger/ledger');
  const ledger = await openLedger(await burntLedgerAddress(reference ?? `sqlite:${join(dir, LEDGER_FILE)}`));
  try {
    return await work(ledger);
  } finally {
    await ledger.close();
  }
}

/** Where the ledger is. */
export interface LedgerFlags {
  ledger?: string;
}

/** Where the ledger is, and who writes into it. */
export interface AuthorFlags extends LedgerFlags {
  station?: string;
  operator?: string;
}

/** Adds `--ledger`, which {@link withLedger} takes. */
export function addLedgerOption(command: Command): Command {
  return command.option(
    '--ledger <url>',
    'where devices are recorded: sqlite:PATH, or a postgres:// URL as env:NAME, @FILE or - (default: ledger.db in DIR)',
  );
}

/** Adds `--ledger`, and who writes: `--station`, `--operator`. */
export function addAuthorOptions(command: Command): Command {
  return addLedgerOption(command)
    .option('--station <name>', 'this station, as the ledger calls it (default: the name of the machine)')
    .option('--operator <name>', 'who does it, as the ledger calls them');
}

/** Who writes, as the options name them. */
export function authorOf({ station = hostname(), operator }: AuthorFlags): Author {
  return { station, ...(operator === undefined ? {} : { operator }) };
}
