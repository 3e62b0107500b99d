import type { AddVerb } from '../job.js';
import { dpsNouns } from '../operate/dps-nouns.js';
import { addNouns } from '../operate/nouns.js';

/** `zerotouch dps ...`: what operators do at the DPS of the local cloud, as `az iot dps`. */
export const addDps: AddVerb = (program, run) => {
  const dps = program.command('dps');
  addNouns(program, run, dpsNouns);
  dps.addHelpText(
    'after',
    `
Examples:
  $ zerotouch dps linked-hub list
  $ zerotouch dps linked-hub update --linked-hub hub-weu --allocation-weight 0
  $ zerotouch dps enrollment-group create --enrollment-id line-7 --initial-twin-tags '{"line":7}'
  $ zerotouch dps enrollment-group registration list --enrollment-id line-7 --json | jq -r '.[].assignedHub'`,
  );
};
