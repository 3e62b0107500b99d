import { readFileSync } from 'node:fs';
import { InvalidArgumentError } from 'commander';
import type { OptionRow } from './nouns.js';

/** An option as it stands in the tables of verbs. */
export function row(flags: string, does: string, more: Omit<OptionRow, 'flags' | 'does'> = {}): OptionRow {
  return { flags, does, ...more };
}

/** The same option, without which the verb is not run. */
export function needed(option: OptionRow): OptionRow {
  return { ...option, required: true };
}

/** An option that takes true or false, and is true by its name alone. */
export function yesNo(flags: string, does: string): OptionRow {
  return row(`${flags} [true|false]`, does, { parse: parseYesNo, preset: 'true' });
}

/** An option that takes JSON, or the file that it is in. */
export function json(flags: string, does: string): OptionRow {
  return row(`${flags} <json>`, `${does}: JSON, or the file that it is in`, { parse: parseJson });
}

/** An option that takes a whole number. */
export function count(flags: string, does: string, least = 0): OptionRow {
  return row(`${flags} <number>`, does, { parse: (text: string) => parseCount(text, least) });
}

/** An option whose value nobody else on the machine may read. */
export function secret(flags: string, does: string): OptionRow {
  return row(`${flags} <secret>`, `${does}, as env:NAME, @FILE or - (stdin)`);
}

function parseYesNo(text: string): boolean {
  if (/^(true|yes|y|t|1)$/i.test(text)) return true;
  if (/^(false|no|n|f|0)$/i.test(text)) return false;
  throw new InvalidArgumentError('expected true or false.');
}

function parseCount(text: string, least: number): number {
  if (!/^-?\d{1,9}$/.test(text) || Number(text) < least) throw new InvalidArgumentError(`expected a whole number, at least ${least}.`);
  return Number(text);
}

function parseJson(text: string): unknown {
  const written = /^\s*[[{"]/.test(text) ? text : fileText(text);
  try {
    return JSON.parse(written);
  } catch (error) {
    throw new InvalidArgumentError(`expected JSON or a file that holds it: ${error instanceof Error ? error.message : 'no JSON'}`);
  }
}

// What can be no file name is JSON itself: a number, true, a word that is neither.
function fileText(text: string): string {
  try {
    return readFileSync(text.replace(/^@/, ''), 'utf8');
  } catch {
    return text;
  }
}
