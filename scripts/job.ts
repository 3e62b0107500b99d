import type { Task, Work } from '@zerotouch/foundation/command/frame';
import type { Command } from 'commander';
import type { ProgressMaker } from './progress.js';

/** What every verb is handed. */
export interface Job extends Task {
  readonly progress: ProgressMaker;
}

/** Runs a verb's work: hands it its {@link Job}, prints its failure as one line, sets the exit code. */
export type RunVerb = (work: Work<Job>) => Promise<void>;

/** Adds one verb to the command line: what each file of `verbs/` exports. */
export type AddVerb = (program: Command, run: RunVerb) => void;
