import type { AddVerb } from '../job.js';
import { dpsNouns } from '../operate/dps-nouns.js';
import { addNouns } from '../operate/nouns.js';

/** `zerotouch dps ...`: what operators do at the DPS of the local cloud, as `az iot dps`. */
export const addDps: AddVerb = (program, run) => addNouns(program, run, dpsNouns);
