import { availableParallelism, hostname } from 'node:os';
import type { WorkerEvent } from '@zerotouch/fleet-sim/queue/fleet-worker';
import { InvalidArgumentError, Option } from 'commander';
import { bunPath } from '../bun-path.js';
import type { AddVerb, Job } from '../job.js';
import { ownVersion } from '../own-version.js';
import { readSecret } from '../secret.js';

interface FleetWorkerFlags {
  queue: string;
  name: string;
  images?: string;
  atOnce: number;
  lease: number;
  once?: boolean;
  runtime: 'node' | 'bun';
}

/** `zerotouch fleet-worker`: runs parts of fleets that others submit. */
export const addFleetWorker: AddVerb = (program, run) => {
  program
    .command('fleet-worker')
    .summary('run parts of fleets from a queue')
    .description(
      'Run parts of the fleets that zerotouch fleet --queue submits, until Ctrl-C. Any number of machines may: when one dies, the others take up what it ran. Each sees the images of the fleet, in the same folder or in the one of --images.',
    )
    .requiredOption('--queue <url>', 'where fleets are submitted: a redis:// or postgres:// URL as env:NAME, @FILE or -')
    .option('--name <name>', 'what fleets call it', `${hostname()}-${process.pid}`)
    .option('--images <dir>', 'where the images lie on this machine (default: where the spec of the fleet says)')
    .option('--at-once <n>', 'parts that boot at a time; those that run are held beside them', parseCount, availableParallelism())
    .option('--lease <seconds>', 'silence after which other workers take up its parts', parseLease, 15)
    .option('--once', 'end when a fleet that it took part in is over')
    .addOption(new Option('--runtime <name>', 'what the processes run on').choices(['node', 'bun']).default('node'))
    .addHelpText(
      'after',
      `
Example:
  $ export QUEUE=redis://:PASSWORD@queue.factory.example:6379
  $ zerotouch fleet-worker --queue env:QUEUE              # on each machine
  $ zerotouch fleet fleet.yaml --queue env:QUEUE          # on one of them, or on another

Exits 130 on Ctrl-C, 0 when it is ended by SIGTERM; 2 when its version, its images or its machine do not do for a fleet, 3 when the queue does not answer.`,
    )
    .action((flags: FleetWorkerFlags) => run((job) => work(flags, job)));
};

async function work({ queue, name, images, atOnce, lease, once, runtime }: FleetWorkerFlags, job: Job): Promise<undefined> {
  const url = await readSecret(queue, '--queue');
  const execPath = runtime === 'bun' ? await bunPath() : undefined;
  const { workFleet } = await import('@zerotouch/fleet-sim/queue/fleet-worker');
  const shards = await workFleet({
    url,
    name,
    version: ownVersion(),
    atOnce,
    leaseMs: Math.round(lease * 1000),
    once: once === true,
    ...(images === undefined ? {} : { images }),
    ...(execPath === undefined ? {} : { execPath }),
    signal: job.signal,
    onEvent: (event) => job.output.event({ ...event }, words(event)),
  });
  job.output.result({ worker: name, shards }, `Ended. Parts run: ${shards}.`);
  return undefined;
}

function words(event: WorkerEvent): string {
  switch (event.event) {
    case 'ready':
      return `${event.worker} (zerotouch ${event.version}) waits for fleets at ${event.queue}. Ctrl-C ends it.`;
    case 'over':
      return `fleet ${event.run}: over`;
    default:
      return `fleet ${event.run}: part ${event.shard} ${event.event.replace('-', ' ')}, attempt ${event.attempt}${event.reason === undefined ? '' : ` (${event.reason})`}`;
  }
}

function parseCount(text: string): number {
  if (!/^\d{1,3}$/.test(text) || Number(text) < 1) throw new InvalidArgumentError('expected how many, 1 to 999.');
  return Number(text);
}

function parseLease(text: string): number {
  const seconds = Number(text);
  if (!/^\d{1,4}(\.\d+)?$/.test(text) || seconds < 1) throw new InvalidArgumentError('expected seconds, 1 to 9999.');
  return seconds;
}
