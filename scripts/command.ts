import { CommandFrame, processSurroundings } from '@zerotouch/foundation/command/frame';
import { Command } from 'commander';
import type { AddVerb, RunVerb } from './job.js';
import { ownVersion } from './own-version.js';
import { progressOn } from './progress.js';
import { addBatch } from './verbs/batch.js';
import { addBoot } from './verbs/boot.js';
import { addBurn } from './verbs/burn.js';
import { addCloud } from './verbs/cloud.js';
import { addDemo } from './verbs/demo.js';
import { addDps } from './verbs/dps.js';
import { addEnroll } from './verbs/enroll.js';
import { addFleet } from './verbs/fleet.js';
import { addFleetWorker } from './verbs/fleet-worker.js';
import { addHub } from './verbs/hub.js';
import { addInspect } from './verbs/inspect.js';
import { addSchema } from './verbs/schema.js';
import { addVerify } from './verbs/verify.js';
import { addWhy } from './verbs/why.js';

const verbs: AddVerb[] = [
  addDemo,
  addCloud,
  addBurn,
  addInspect,
  addVerify,
  addEnroll,
  addBatch,
  addBoot,
  addFleet,
  addFleetWorker,
  addWhy,
  addDps,
  addHub,
  addSchema,
];

/** The command `zerotouch`, to be run once. */
export function zerotouch(around = processSurroundings()): CommandFrame {
  const program = new Command('zerotouch')
    .description('Burn an identity into every device, power it on, and see it find its Azure IoT hub.')
    .version(ownVersion())
    .configureHelp({ showGlobalOptions: true })
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 failures found, 2 bad usage or input, 3 no answer from a service, 130 ended by Ctrl-C.\n`zerotouch VERB --help` shows examples.',
    );
  const frame = new CommandFrame(program, around);
  const run: RunVerb = (work) => frame.run((task) => work({ ...task, progress: progressOn(around.stderr, task.quiet) }));
  for (const add of verbs) add(program, run);
  return frame;
}
