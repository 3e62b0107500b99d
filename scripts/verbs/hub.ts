import { addMonitor } from '../hub-monitor.js';
import type { AddVerb } from '../job.js';
import { hubNouns } from '../operate/hub-nouns.js';
import { addNouns } from '../operate/nouns.js';

/** `zerotouch hub ...`: what operators do at the hubs of the local cloud, as `az iot hub`. */
export const addHub: AddVerb = (program, run) => {
  const hub = program.command('hub');
  addNouns(program, run, hubNouns);
  addMonitor(hub, run);
};
