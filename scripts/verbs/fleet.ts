import { readFile } from 'node:fs/promises';
import { CLOUD_FILE } from '@zerotouch/firmware-sim/runtime/cloud-file';
import type { FleetOptions, FleetResult, FleetSpec, Tally } from '@zerotouch/fleet-sim/fleet';
import { EXIT, type ExitCode } from '@zerotouch/foundation/command/failure';
import { Fault } from '@zerotouch/foundation/fault';
import { InvalidArgumentError, Option } from 'commander';
import { bunPath } from '../bun-path.js';
import { openBurnParts } from '../fleet-burn.js';
import { chooseEndpoint, type EndpointFlags } from '../fleet-endpoint.js';
import { openFleetViews } from '../fleet-views.js';
import { fleetWords } from '../fleet-words.js';
import type { AddVerb, Job } from '../job.js';
import { parsePort } from '../options.js';
import { ownVersion } from '../own-version.js';
import { readSecret } from '../secret.js';
import { sayUntold, TRACE_HELP } from '../trace.js';

interface FleetFlags extends EndpointFlags {
  to?: string;
  workers?: number;
  runtime: 'node' | 'bun';
  report?: string;
  queue?: string;
  shards?: number;
  live?: number | 'terminal';
  metrics?: number;
  trace?: string;
  traceOneIn: number;
}

/** `zerotouch fleet SPEC`: powers a fleet on over real sockets. */
export const addFleet: AddVerb = (program, run) => {
  const fleetCommand = program
    .command('fleet')
    .summary('power a fleet on over real sockets')
    .description(
      'Power on many devices, each from its own image, with its own certificate, over its own TLS connections, and see them find their hubs.',
    )
    .argument('<spec>', 'the fleet, YAML or JSON; zerotouch schema fleet prints its schema')
    .option('--cloud <file>', `the file of a local cloud (default: ${CLOUD_FILE})`)
    .option('--endpoint <host>', 'host of a real DPS, port 8883; asks before it begins, or needs --confirm')
    .option('--confirm <host>', 'names the endpoint again: a fleet costs money there')
    .option('--max-rate <n>', 'with --endpoint, the most devices a second that it takes', parseRate, 16)
    .option(
      '--to <secret>',
      'with --endpoint, where a fleet that burns as it goes enrols: service connection string of the DPS instance, as env:NAME, @FILE or -',
    )
    .option('--workers <n>', 'processes (default: one a core, more where descriptors ask for it)', parseWorkers)
    .addOption(
      new Option('--live <port>', 'look on while it runs, and steer it: a page at this port (0: a free one), or `terminal`').argParser(
        parseLive,
      ),
    )
    .addOption(new Option('--metrics <port>', 'serve metrics for Prometheus at this port (0: a free one)').argParser(parsePort))
    .addOption(new Option('--trace <file|url>', TRACE_HELP).conflicts('queue'))
    .option('--trace-one-in <n>', 'with --trace, trace one device in so many', parseOneIn, 1000)
    .option('--report <file>', 'write what happened as one HTML page, and its JSON twin beside it')
    .addOption(
      new Option(
        '--queue <url>',
        'have it run by the workers of a queue, on any number of machines: a redis:// or postgres:// URL as env:NAME, @FILE or -',
      ).conflicts('workers'),
    )
    .option('--shards <n>', 'with --queue, the parts that workers take (default: one a thousand devices, at least 4)', parseShards)
    .addOption(new Option('--runtime <name>', 'what the processes run on').choices(['node', 'bun']).default('node'))
    .addHelpText(
      'after',
      `
Example:
  $ cat fleet.yaml
  version: 1
  images: batch
  powerOn: { profile: staggered, perSecond: 100 }
  $ zerotouch cloud --enrollments batch     # in another terminal, same folder
  $ zerotouch fleet fleet.yaml

Burning each image right before its device is powered on, enrolled as it goes:
  $ cat fleet.yaml
  version: 1
  burn: { spec: batch.yaml, out: batch }
  $ zerotouch cloud                         # in another terminal, same folder
  $ zerotouch fleet fleet.yaml

Exits 1 when a device did not get to run, 2 when the spec, an image or the machine does not allow it, 3 when no cloud runs here. Ctrl-C switches
every device off, tells and reports what was until then, and exits 130.`,
    )
    .action((spec: string, flags: FleetFlags) => run((job) => fleet(spec, flags, job)));
  fleetCommand
    .command('compare')
    .summary('show runs side by side')
    .description('Show two or more reports of fleets side by side, on one page.')
    .argument('<reports...>', 'reports that fleet --report wrote, by their page or their JSON twin')
    .requiredOption('--out <file>', 'the HTML page to write')
    .addHelpText('after', '\nExample:\n  $ zerotouch fleet compare monday.html tuesday.html --out both.html')
    .action((reports: string[], { out }: { out: string }) => run((job) => compare(reports, out, job)));
};

async function compare(paths: readonly string[], out: string, job: Job): Promise<undefined> {
  const { readReport, writeComparison } = await import('@zerotouch/fleet-sim/report/files');
  const reports = await Promise.all(paths.map(readReport));
  await writeComparison(out, reports);
  const runs = reports.map(({ name, at, figures }) => ({ name, at, ...figures }));
  job.output.result(
    { out, runs },
    [
      ...runs.map(
        ({ name, at, devices, running, bootMs, retries }) =>
          `${name}, ${at}: ${running} of ${devices} running, ${bootMs.p50} ms median, ${retries} retries`,
      ),
      `written: ${out}`,
    ].join('\n'),
  );
  return undefined;
}

async function fleet(path: string, flags: FleetFlags, job: Job): Promise<ExitCode> {
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new Fault('SPEC_UNREADABLE', `the spec cannot be read (${cause.code})`, {
      where: path,
      expected: 'a fleet spec, YAML or JSON',
      cause,
    });
  });
  const { parseFleetSpec } = await import('@zerotouch/fleet-sim/fleet');
  const spec = parseFleetSpec(text, path);
  if (flags.report !== undefined) {
    const { refuseUnwritable } = await import('@zerotouch/fleet-sim/report/files');
    await refuseUnwritable(flags.report);
  }
  const endpoint = await chooseEndpoint(spec, flags, job);
  // A queue refuses to burn, by name.
  using burn = flags.queue === undefined ? await openBurnParts(spec, flags, job) : undefined;
  await using views = await openFleetViews(spec, flags, job);
  const progress = job.progress('running');
  const watch = {
    endpoint,
    ...(flags.endpoint !== undefined && 'perSecond' in spec.powerOn ? { backPerSecond: spec.powerOn.perSecond } : {}),
    ...(burn === undefined ? {} : { burn }),
    signal: job.signal,
    onControls: views.watch.steerBy,
    onTally: (tally: Tally) => {
      views.watch.take(tally);
      if (tally.devices > 0 && flags.live !== 'terminal') progress.update(tally.booted, tally.devices);
    },
  };
  const result = await (flags.queue === undefined
    ? onThisMachine(spec, flags, watch)
    : overQueue(spec, flags.queue, flags, watch, job)
  ).finally(() => progress.stop());
  const { tally, ...figures } = result;
  // Before the report: a disk that is full by now takes nothing of the figures.
  job.output.result({ ...figures, telemetry: tally.telemetry }, fleetWords(result));
  if (flags.report !== undefined) {
    const { fleetReport } = await import('@zerotouch/fleet-sim/report/report');
    const { writeReport } = await import('@zerotouch/fleet-sim/report/files');
    await writeReport(flags.report, fleetReport(spec, result, Date.now() - result.seconds * 1000));
  }
  if (result.aborted && job.signal.aborted) throw job.signal.reason;
  return result.failed > 0 ? EXIT.failed : EXIT.done;
}

type Watch = Pick<FleetOptions, 'endpoint' | 'backPerSecond' | 'burn' | 'signal' | 'onTally' | 'onControls'>;

async function onThisMachine(spec: FleetSpec, { workers, runtime, trace, traceOneIn }: FleetFlags, watch: Watch): Promise<FleetResult> {
  const { runFleet } = await import('@zerotouch/fleet-sim/fleet');
  const execPath = runtime === 'bun' ? await bunPath() : undefined;
  const traced = trace === undefined ? {} : { trace: await traceOf(trace, traceOneIn) };
  return runFleet(spec, {
    ...watch,
    ...traced,
    ...(workers === undefined ? {} : { workers }),
    ...(execPath === undefined ? {} : { execPath }),
  });
}

async function traceOf(where: string, oneIn: number): Promise<NonNullable<FleetOptions['trace']>> {
  const { tracePlaceOf } = await import('@zerotouch/fleet-sim/trace/trace-place');
  return { to: tracePlaceOf(where), oneIn, onUntold: sayUntold(where) };
}

async function overQueue(spec: FleetSpec, queue: string, { shards }: FleetFlags, watch: Watch, job: Job): Promise<FleetResult> {
  const url = await readSecret(queue, '--queue');
  const { runQueuedFleet } = await import('@zerotouch/fleet-sim/queue/queued-fleet');
  const onNote = (note: string): void => {
    if (!job.quiet) process.stderr.write(`zerotouch: ${note}\n`);
  };
  return runQueuedFleet(spec, { ...watch, url, version: ownVersion(), onNote, ...(shards === undefined ? {} : { shards }) });
}

function parseWorkers(text: string): number {
  const workers = Number(text);
  if (!/^\d{1,3}$/.test(text) || workers < 1 || workers > 256) throw new InvalidArgumentError('expected how many processes, 1 to 256.');
  return workers;
}

function parseLive(text: string): number | 'terminal' {
  return text === 'terminal' ? text : parsePort(text);
}

function parseRate(text: string): number {
  const rate = Number(text);
  if (!/^\d{1,5}(\.\d+)?$/.test(text) || rate <= 0) throw new InvalidArgumentError('expected devices a second, more than 0.');
  return rate;
}

function parseOneIn(text: string): number {
  const oneIn = Number(text);
  if (!/^\d{1,7}$/.test(text) || oneIn < 1) throw new InvalidArgumentError('expected a number of devices, 1 to 9999999.');
  return oneIn;
}

function parseShards(text: string): number {
  const shards = Number(text);
  if (!/^\d{1,4}$/.test(text) || shards < 1) throw new InvalidArgumentError('expected how many parts, 1 to 9999.');
  return shards;
}
