import { CLOUD_FILE } from '@zerotouch/firmware-sim/runtime/cloud-file';
import type { JsonResult } from '@zerotouch/foundation/command/output';
import { type Command, Option } from 'commander';
import type { RunVerb } from '../job.js';
import type { LocalCloud } from './local-cloud.js';

/** An option of a verb. */
export interface OptionRow {
  /** Every name that Azure's CLI takes, the chief one first, then what follows it: `--dps-name -n <name>`. */
  flags: string;
  does: string;
  required?: boolean;
  default?: unknown;
  choices?: readonly string[];
  /** Of an option whose value may be left out. */
  preset?: string;
  /** @throws InvalidArgumentError */
  parse?: (text: string, before: never) => unknown;
}

/** A verb: what it takes, and the call that answers it. */
export interface VerbRow {
  name: string;
  does: string;
  options: readonly OptionRow[];
  /** Hidden names of the same verb. */
  aliases?: readonly string[];
  /**
   * @param given options by their chief name in camel case
   * @returns what is printed as JSON; `undefined`: nothing
   */
  call(cloud: LocalCloud, given: object): Promise<unknown>;
}

/** A noun and its verbs. */
export interface NounRow {
  /** Words after `zerotouch`: `dps linked-hub`. */
  name: string;
  /** What az calls it, where that is something else. */
  az?: string;
  is: string;
  verbs: readonly VerbRow[];
}

/** @param parts see {@link VerbRow}; `call` takes the options by the type that it wants */
export function verb(
  name: string,
  does: string,
  options: readonly OptionRow[],
  call: VerbRow['call'],
  aliases: readonly string[] = [],
): VerbRow {
  return { name, does, options, call, aliases };
}

/** Adds nouns and their verbs to the command line; nouns of several words become commands in commands. */
export function addNouns(program: Command, run: RunVerb, nouns: readonly NounRow[]): void {
  for (const { name, az = `iot ${name}`, is, verbs } of nouns) {
    const words = name.split(' ');
    const noun = words.reduce((command, word) => childOf(command, word), program);
    noun.summary(is).description(`${is[0]?.toUpperCase()}${is.slice(1)}, as az ${az} has it.`);
    for (const row of verbs) addVerb(noun, run, row, `${az} ${row.name}`);
  }
}

function addVerb(noun: Command, run: RunVerb, { name, does, options, aliases = [], call }: VerbRow, path: string): void {
  const command = noun
    .command(name)
    .summary(does)
    .description(`${does[0]?.toUpperCase()}${does.slice(1)}, as az ${path} does.`);
  for (const alias of aliases) command.alias(alias);
  for (const row of options) for (const option of optionsOf(row)) command.addOption(option);
  command
    .option('--cloud <file>', 'the file that zerotouch cloud wrote', CLOUD_FILE)
    .addHelpText(
      'after',
      '\nWhat is left out (DPS, hub, resource group) is the only one of the local cloud. Exits 3 when no local cloud answers.',
    )
    .action((given: { cloud: string }) =>
      run(async ({ output, signal }) => {
        const { LocalCloud } = await import('./local-cloud.js');
        const { inOrder } = await import('./shapes.js');
        const cloud = await LocalCloud.open(given.cloud, signal);
        try {
          const said = inOrder(await call(cloud, given));
          if (said !== undefined) output.result(said as JsonResult, JSON.stringify(said, null, 2));
        } finally {
          cloud.close();
        }
        return undefined;
      }),
    );
}

/** The option, and a hidden one for each further long name that sets the same value. */
function optionsOf({ flags, does, required = false, default: value, choices, preset, parse }: OptionRow): Option[] {
  const words = flags.split(' ');
  const argument = words.find((word) => !word.startsWith('-')) ?? '';
  const names = words.filter((word) => word.startsWith('-'));
  const [chief = '', ...others] = names.filter((name) => name.startsWith('--'));
  const short = names.find((name) => !name.startsWith('--'));
  const also = others.length === 0 ? '' : ` (also ${others.join(', ')})`;
  const made = (name: string, shown: boolean): Option => {
    const option = new Option(`${shown && short !== undefined ? `${short}, ` : ''}${name} ${argument}`.trim(), `${does}${also}`);
    if (choices !== undefined) option.choices(choices);
    if (preset !== undefined) option.preset(preset);
    if (parse !== undefined) option.argParser(parse as (text: string, before: unknown) => unknown);
    return option;
  };
  const main = made(chief, true).makeOptionMandatory(required);
  if (value !== undefined) main.default(value);
  const aliases = others.map((name) => Object.assign(made(name, false).hideHelp(), { attributeName: () => main.attributeName() }));
  return [main, ...aliases];
}

function childOf(parent: Command, name: string): Command {
  return parent.commands.find((command) => command.name() === name) ?? parent.command(name);
}
