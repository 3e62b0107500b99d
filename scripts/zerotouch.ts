import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { EXIT, type ExitCode, exitCodeOf, explain } from './failure.js';
import { type Interrupted, listenForInterruption } from './interruption.js';
import type { AddVerb, RunVerb } from './job.js';
import { createOutput } from './output.js';
import { progressOn } from './progress.js';
import { addBoot } from './verbs/boot.js';
import { addBurn } from './verbs/burn.js';
import { addCloud } from './verbs/cloud.js';
import { addDemo } from './verbs/demo.js';
import { addInspect } from './verbs/inspect.js';
import { addSchema } from './verbs/schema.js';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };

let exitCode: ExitCode = EXIT.done;

const run: RunVerb = async (work) => {
  const { json = false, quiet = false, debug = false } = program.opts<{ json?: boolean; quiet?: boolean; debug?: boolean }>();
  const signal = listenForInterruption();
  const output = createOutput(json, (text) => process.stdout.write(text));
  try {
    exitCode = (await work({ output, progress: progressOn(process.stderr, quiet), signal, quiet })) ?? EXIT.done;
    // A verb that ends in good order after SIGTERM did what it was asked; Ctrl-C always shows.
    if (signal.aborted && (signal.reason as Interrupted).signalName === 'SIGINT') exitCode = EXIT.interrupted;
  } catch (error) {
    exitCode = signal.aborted ? EXIT.interrupted : exitCodeOf(error);
    if (!signal.aborted || debug) process.stderr.write(`${explain(error, debug)}\n`);
  }
};

const program = new Command('zerotouch')
  .description('Burn an identity into every device, power it on, and see it find its Azure IoT hub.')
  .version(version)
  .option('--json', 'one JSON object a line on stdout; the last line is the result')
  .option('--quiet', 'no progress on stderr')
  .option('--debug', 'show where a failure came from')
  .configureHelp({ showGlobalOptions: true })
  .configureOutput({ writeErr: () => {} })
  .exitOverride()
  .addHelpText(
    'after',
    '\nExit codes: 0 done, 1 failures found, 2 bad usage or input, 3 no answer from a service, 130 ended by Ctrl-C.\n`zerotouch VERB --help` shows examples.',
  );

const verbs: AddVerb[] = [addDemo, addCloud, addBurn, addInspect, addBoot, addSchema];
for (const add of verbs) add(program, run);

process.on('uncaughtException', (error) => {
  process.stderr.write(`${explain(error, process.argv.includes('--debug'))}\n`);
  process.exit(EXIT.failed);
});
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // The reader has gone (`zerotouch inspect IMAGE | head -1`): that is no failure of ours, but nobody is left to work for.
  process.exit(error.code === 'EPIPE' ? EXIT.done : EXIT.failed);
});

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  if (error.exitCode !== 0) {
    exitCode = EXIT.badInput;
    process.stderr.write(`${usageLine(error)}\n`);
  }
}
// What a verb left open (a socket of an SDK that keeps no books) must not keep the process alive; what was written must get out first.
process.stdout.write('', () => process.exit(exitCode));

function usageLine(error: CommanderError): string {
  const verbs = program.commands.map((command) => command.name()).join(', ');
  const what =
    error.code === 'commander.help'
      ? `no verb given; expected one of ${verbs}`
      : error.message
          .replace(/^error: /, '')
          .replace(/\.$/, '')
          .replace(/\s*\n\s*/g, ' ');
  const verb = program.commands.find((command) => process.argv.includes(command.name()))?.name();
  return `zerotouch: ${what}; see zerotouch ${verb === undefined ? '' : `${verb} `}--help`;
}
