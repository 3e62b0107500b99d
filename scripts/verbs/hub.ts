import { addMonitor } from '../hub-monitor.js';
import type { AddVerb } from '../job.js';
import { hubNouns } from '../operate/hub-nouns.js';
import { addNouns } from '../operate/nouns.js';

/** `zerotouch hub ...`: what operators do at the hubs of the local cloud, as `az iot hub`. */
export const addHub: AddVerb = (program, run) => {
  const hub = program.command('hub');
  addNouns(program, run, hubNouns);
  addMonitor(hub, run);
  hub.addHelpText(
    'after',
    `
Examples:
  $ zerotouch hub query -n hub-weu -q "SELECT deviceId FROM devices WHERE tags.line = 7"
  $ zerotouch hub device-twin update -n hub-weu -d pump-000001 --desired '{"telemetryIntervalSeconds":10}'
  $ zerotouch hub invoke-device-method -n hub-weu -d pump-000001 --method-name reprovision
  $ zerotouch hub monitor -n hub-weu`,
  );
};
