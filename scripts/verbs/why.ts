import type { Attempt } from '@zerotouch/cloud-sim/reasons';
import { CLOUD_FILE } from '@zerotouch/firmware-sim/runtime/cloud-file';
import type { AddVerb, Job } from '../job.js';

/** `zerotouch why REGISTRATION_ID`: what happened to a device at the local cloud, and the real reason. */
export const addWhy: AddVerb = (program, run) => {
  program
    .command('why')
    .summary('tell the real reason why a device was refused')
    .description(
      'Tell what a device tried at the local cloud (DPS and hubs), attempt by attempt, and the real reason of the last one: the rule that decided, the value seen, the nearest value that would have passed, and what to do. On the wire the device got only what Azure says.',
    )
    .argument('<registration-id>', 'registration id of the device, or its device id at a hub')
    .option('--cloud <file>', 'the file that zerotouch cloud wrote', CLOUD_FILE)
    .addHelpText(
      'after',
      '\nExamples:\n  $ zerotouch why pump-000001\n  $ zerotouch why pump-000001 --json | jq -r .remedy\n\nExits 3 when no local cloud answers. docs/reasons.md lists every reason.',
    )
    .action((registrationId: string, { cloud }: { cloud: string }) => run((job) => why(registrationId, cloud, job)));
};

async function why(registrationId: string, cloud: string, { output }: Job): Promise<undefined> {
  const { localService } = await import('../local-service.js');
  const { askAttempts } = await import('../attempts.js');
  const remedy = 'start zerotouch cloud in this folder, or name the file of another one with --cloud';
  const attempts = await askAttempts(await localService(cloud, remedy), registrationId);
  const last = attempts.at(-1);
  if (last === undefined) {
    const reason = `this cloud has not heard of ${JSON.stringify(registrationId)} since it started`;
    const advice = 'check the id; a device that never gets here has another endpoint, another ID scope in its user name, or no network';
    output.result({ attempts, reason, remedy: advice }, `${reason}.\n  What to do: ${advice}`);
    return undefined;
  }
  const { text, remedy: advice } = last.reason;
  output.result({ attempts, reason: text, remedy: advice ?? null }, [...attempts.map(line), '', ...explanation(last)].join('\n'));
  return undefined;
}

function line({ at, service, host, transport, outcome, wire, reason }: Attempt): string {
  const answer =
    'connack' in wire ? `CONNACK ${wire.connack}` : `${wire.status}${wire.errorCode === undefined ? '' : ` ${wire.errorCode}`}`;
  return `${at}  ${service === 'dps' ? 'DPS' : host}  ${transport}  ${outcome}  (${answer})  ${reason.rule}`;
}

function explanation({ reason: { text, seen, expected, nearest, remedy, skipped = [] } }: Attempt): string[] {
  const parts: [string, string | undefined][] = [
    ['Reason', text],
    ['Seen', seen],
    ['Expected', expected],
    ['Nearest', nearest],
    ['What to do', remedy],
  ];
  return [
    ...parts.flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`])),
    ...skipped.map((hub) => `Passed over: ${hub.host} ${hub.text}`),
  ];
}
