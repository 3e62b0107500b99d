import type { Command } from 'commander';
import type { ExitCode } from './failure.js';
import type { Output } from './output.js';
import type { ProgressMaker } from './progress.js';

/** What every verb is handed. */
export interface Job {
  readonly output: Output;
  readonly progress: ProgressMaker;
  /** Aborted by Ctrl-C. A verb that then returns in good order need not look at the reason. */
  readonly signal: AbortSignal;
  /** `--quiet`: say nothing on stderr but failures. */
  readonly quiet: boolean;
}

/**
 * Runs a verb's work: hands it its {@link Job}, prints its failure as one line, sets the exit code.
 * The work resolves to nothing when it is done, to another code when it ran and found failures.
 */
export type RunVerb = (work: (job: Job) => Promise<ExitCode | undefined>) => Promise<void>;

/** Adds one verb to the command line: what each file of `verbs/` exports. */
export type AddVerb = (program: Command, run: RunVerb) => void;
