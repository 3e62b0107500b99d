import { addMonitor } from '../hub-monitor.js';
import type { AddVerb } from '../job.js';

/** `zerotouch hub ...`: what operators do at the hubs of the local cloud. */
export const addHub: AddVerb = (program, run) => {
  const hub = program
    .command('hub')
    .summary('look at the hubs of the local cloud')
    .description('Work with the IoT hubs of the local cloud.');
  addMonitor(hub, run);
};
