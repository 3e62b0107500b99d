import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Endpoint } from '@zerotouch/firmware-sim/boot/ports';
import { CLOUD_FILE, readCloudFile } from '@zerotouch/firmware-sim/runtime/cloud-file';
import type { FleetResult, FleetSpec } from '@zerotouch/fleet-sim/fleet';
import { EXIT, type ExitCode } from '@zerotouch/foundation/command/failure';
import { Fault } from '@zerotouch/foundation/fault';
import { InvalidArgumentError, Option } from 'commander';
import type { AddVerb, Job } from '../job.js';

interface FleetFlags {
  cloud?: string;
  endpoint?: string;
  confirm?: string;
  workers?: number;
  runtime: 'node' | 'bun';
  report?: string;
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
    .option('--endpoint <host>', 'host of a real DPS, port 8883; needs --confirm')
    .option('--confirm <host>', 'names the endpoint again: a fleet costs money there')
    .option('--workers <n>', 'processes (default: one a core, more where descriptors ask for it)', parseWorkers)
    .option('--report <file>', 'write what happened as one HTML page, and its JSON twin beside it')
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

Exits 1 when a device did not get to run, 2 when the spec, an image or the machine does not allow it, 3 when no cloud runs here.`,
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
  const { parseFleetSpec, runFleet } = await import('@zerotouch/fleet-sim/fleet');
  const spec = parseFleetSpec(text, path);
  const endpoint = chooseEndpoint(spec, flags);
  const execPath = flags.runtime === 'bun' ? await bunPath() : undefined;
  const progress = job.progress('running');
  const result = await runFleet(spec, {
    endpoint,
    ...(flags.workers === undefined ? {} : { workers: flags.workers }),
    ...(execPath === undefined ? {} : { execPath }),
    signal: job.signal,
    onTally: ({ booted, devices }) => {
      if (devices > 0) progress.update(booted, devices);
    },
  }).finally(() => progress.stop());
  const { tally, aborted, ...figures } = result;
  if (flags.report !== undefined) {
    const { fleetReport } = await import('@zerotouch/fleet-sim/report/report');
    const { writeReport } = await import('@zerotouch/fleet-sim/report/files');
    await writeReport(flags.report, fleetReport(spec, result, Date.now() - result.seconds * 1000));
  }
  job.output.result({ ...figures, telemetry: tally.telemetry }, words(result));
  if (aborted && job.signal.aborted) throw job.signal.reason;
  return result.failed > 0 ? EXIT.failed : EXIT.done;
}

function words(result: FleetResult): string {
  const { devices, running, failed, bootMs, hubs, retries, throttled, cpuMsPerBoot, kbPerDevice, seconds, processes, tally } = result;
  const reasons = Object.entries(tally.reasons)
    .sort(([, a], [, b]) => b.count - a.count)
    .slice(0, 5)
    .map(([reason, { count, example }]) => `  ${count} x ${reason}: ${example}`);
  return [
    `${running} of ${devices} running${failed === 0 ? '' : `, ${failed} failed`}, in ${seconds} s over ${processes} process${processes === 1 ? '' : 'es'}.`,
    `  boot ms: ${bootMs.p50} median, ${bootMs.p95} of 95 in 100, ${bootMs.p99} of 99 in 100`,
    ...Object.entries(hubs).map(([hub, count]) => `  ${hub}: ${count}`),
    `  ${retries} retries, ${throttled} throttled`,
    `  ${cpuMsPerBoot} CPU-ms a boot and ${kbPerDevice} KB a device on this side`,
    ...reasons,
  ].join('\n');
}

function chooseEndpoint(spec: FleetSpec, { cloud, endpoint, confirm }: FleetFlags): Endpoint {
  if (endpoint === undefined) {
    if (cloud !== undefined || existsSync(CLOUD_FILE)) return readCloudFile(cloud ?? CLOUD_FILE);
    throw new Fault('NO_LOCAL_CLOUD', 'no local cloud runs in this folder', {
      where: CLOUD_FILE,
      remedy: 'start `zerotouch cloud --enrollments BATCH` here, or name its file with --cloud',
    });
  }
  if (spec.powerOn.profile === 'staggered' || spec.powerOn.profile === 'poisson') {
    if (confirm === endpoint) return { dpsHost: endpoint, dpsPort: 8883 };
    throw new Fault('NOT_CONFIRMED', 'these devices would register with a service that is not of this machine', {
      where: endpoint,
      seen: `${spec.devices ?? 'all'} devices, ${spec.powerOn.perSecond} a second, each one registration operation and at least 3 hub messages a boot`,
      expected: `--confirm ${endpoint}`,
      remedy: 'look up what your tier charges for that, then say it again with --confirm',
    });
  }
  throw new Fault('NOT_CONFIRMED', 'a real endpoint takes only a fleet with a rate', {
    where: endpoint,
    seen: `profile ${spec.powerOn.profile}`,
    expected: 'powerOn with profile staggered or poisson and perSecond',
    remedy: 'DPS takes 1000 registrations a minute: stay below perSecond: 16',
  });
}

async function bunPath(): Promise<string> {
  const named = process.env.ZEROTOUCH_BUN;
  if (named !== undefined) return named;
  const { createRequire } = await import('node:module');
  try {
    return createRequire(import.meta.url).resolve('bun/bin/bun.exe');
  } catch (cause) {
    throw new Fault('RUNTIME_MISSING', 'Bun is not installed', {
      where: '--runtime bun',
      expected: 'the optional npm package bun, or its path in ZEROTOUCH_BUN',
      remedy: 'npm install bun',
      cause,
    });
  }
}

function parseWorkers(text: string): number {
  const workers = Number(text);
  if (!/^\d{1,3}$/.test(text) || workers < 1 || workers > 256) throw new InvalidArgumentError('expected how many processes, 1 to 256.');
  return workers;
}
