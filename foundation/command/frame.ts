import { EXIT, type ExitCode, exitCodeOf, explain } from './failure.js';
import { type Interrupted, listenForInterruption } from './interruption.js';
import { createOutput, type Output } from './output.js';

/** A command line as commander builds it, as far as the frame needs it. */
export interface CommandLine {
  readonly commands: readonly { name(): string }[];
  name(): string;
  option(flags: string, description: string): this;
  opts(): CommonOptions;
  configureOutput(output: { writeOut(text: string): void; writeErr(text: string): void }): this;
  exitOverride(): this;
  parseAsync(args: string[], from: { from: 'user' }): Promise<unknown>;
}

/** What a command meets outside itself. */
export interface Surroundings {
  /** What was typed after its name. */
  readonly args: readonly string[];
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream & { isTTY?: boolean };
  /** Called when work begins. @returns a signal whose reason is an {@link Interrupted} */
  readonly listen: () => AbortSignal;
}

/** Those of this process. */
export function processSurroundings(): Surroundings {
  return { args: process.argv.slice(2), stdout: process.stdout, stderr: process.stderr, listen: listenForInterruption };
}

/** What every piece of work is handed. */
export interface Task {
  readonly output: Output;
  /** Aborted by Ctrl-C. Work that then returns in good order need not look at the reason. */
  readonly signal: AbortSignal;
  /** `--quiet`: say nothing on stderr but failures. */
  readonly quiet: boolean;
}

/** Resolves to nothing when the work is done, to another code when it ran and found failures. */
export type Work<Given = Task> = (given: Given) => Promise<ExitCode | undefined>;

interface CommonOptions {
  json?: boolean;
  quiet?: boolean;
  debug?: boolean;
}

/**
 * What all our commands have in common: `--json`, `--quiet`, `--debug`, every failure as one line on stderr, the exit codes, Ctrl-C.
 * Made before the command line gets its verbs, because they inherit from it.
 */
export class CommandFrame {
  #exitCode: ExitCode = EXIT.done;
  #readerGone = false;
  readonly #line: CommandLine;
  readonly #around: Surroundings;

  constructor(line: CommandLine, around = processSurroundings()) {
    this.#around = around;
    this.#line = line
      .option('--json', 'one JSON object a line on stdout; the last line is the result')
      .option('--quiet', 'no progress on stderr')
      .option('--debug', 'show where a failure came from')
      .configureOutput({ writeOut: (text) => void around.stdout.write(text), writeErr: () => {} })
      .exitOverride();
  }

  /** Runs a piece of work, prints its failure, keeps its exit code. Never rejects. */
  async run(work: Work): Promise<void> {
    const { json = false, quiet = false, debug = false } = this.#line.opts();
    const { stdout, stderr, listen } = this.#around;
    const signal = listen();
    const output = createOutput(json, (text) => {
      if (!this.#readerGone) stdout.write(text);
    });
    try {
      this.#exitCode = (await work({ output, signal, quiet })) ?? EXIT.done;
      // Work that ends in good order after SIGTERM did what it was asked; Ctrl-C always shows.
      if (signal.aborted && (signal.reason as Interrupted).signalName === 'SIGINT') this.#exitCode = EXIT.interrupted;
    } catch (error) {
      this.#exitCode = signal.aborted ? EXIT.interrupted : exitCodeOf(error);
      if (!signal.aborted || debug) stderr.write(`${explain(this.#line.name(), error, debug)}\n`);
    }
  }

  /** Parses the arguments and runs what they ask for. @returns the exit code */
  async end(): Promise<ExitCode> {
    try {
      await this.#line.parseAsync([...this.#around.args], { from: 'user' });
    } catch (error) {
      if (!isUsageError(error)) throw error;
      if (error.exitCode !== 0) {
        this.#exitCode = EXIT.badInput;
        this.#around.stderr.write(`${this.#usageLine(error)}\n`);
      }
    }
    return this.#exitCode;
  }

  /** The whole life of a process: {@link end}, and it ends. */
  async main(): Promise<never> {
    process.on('uncaughtException', (error) => {
      process.stderr.write(`${explain(this.#line.name(), error, this.#around.args.includes('--debug'))}\n`);
      process.exit(EXIT.failed);
    });
    process.stdout.on('error', (error: NodeJS.ErrnoException) => {
      // The reader has gone (`zerotouch burn SPEC --out DIR | head -1`): nobody is told any more, but the work is finished and its exit code kept.
      if (error.code === 'EPIPE') this.#readerGone = true;
      else process.exit(EXIT.failed);
    });
    const code = await this.end();
    // What the work left open (a socket of an SDK that keeps no books) must not keep the process alive; what was written must get out first.
    if (!this.#readerGone) await new Promise((written) => process.stdout.write('', written));
    process.exit(code);
  }

  #usageLine({ code, message }: UsageError): string {
    const name = this.#line.name();
    const verbs = this.#line.commands.map((command) => command.name());
    const help = `no verb given; expected one of ${verbs.join(', ')}`;
    const what =
      code === 'commander.help'
        ? help
        : message
            .replace(/^error: /, '')
            .replace(/\.$/, '')
            .replace(/\s*\n\s*/g, ' ');
    const verb = verbs.find((candidate) => this.#around.args.includes(candidate));
    return `${name}: ${what}; see ${name} ${verb === undefined ? '' : `${verb} `}--help`;
  }
}

/** Commander's own error; help and version come as one, too, with exit code 0. */
interface UsageError extends Error {
  code: string;
  exitCode: number;
}

function isUsageError(error: unknown): error is UsageError {
  return error instanceof Error && 'exitCode' in error && 'code' in error && String(error.code).startsWith('commander.');
}
