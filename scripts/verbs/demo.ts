import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { EnrolmentFile } from '@zerotouch/azure-wire/enrolment';
import { ENROLMENT_FILE } from '@zerotouch/azure-wire/enrolment';
import { systemClock } from '@zerotouch/foundation/clock';
import { EXIT, type ExitCode } from '@zerotouch/foundation/command/failure';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import Table from 'cli-table3';
import { InvalidArgumentError, Option } from 'commander';
import { bootAll, type DeviceStory, demoSpec } from '../demo/story.js';
import type { AddVerb, Job } from '../job.js';

/** The most devices one process boots at once: each takes a socket at both ends. */
const DEVICES_MAX = 500;
/** A boot takes a fraction of a second; this is for a machine that is very busy. */
const BOOT_TIMEOUT_MS = 120_000;

/** `zerotouch demo`: a batch is burnt, powered on, assigned and configured, on one machine. */
export const addDemo: AddVerb = (program, run) => {
  program
    .command('demo')
    .summary('the whole story on one machine: burn, power on, assign, configure')
    .description('Burn a batch, start a local cloud with three hubs, power every device on, and see each one find its hub.')
    .addOption(new Option('--devices <n>', 'how many devices').argParser(parseCount).default(40))
    .option('--out <dir>', 'keep the batch here; without it, in a new folder among the temporary files')
    .addHelpText('after', '\nExample:\n  $ zerotouch demo --devices 100 --out demo')
    .action((options: { devices: number; out?: string }) => run((job) => demo(options, job)));
};

async function demo({ devices: count, out: wanted }: { devices: number; out?: string }, job: Job): Promise<ExitCode> {
  const { output, signal } = job;
  const out = wanted === undefined ? await mkdtemp(join(tmpdir(), 'zerotouch-demo-')) : resolve(wanted);

  output.event({ step: 'burn', devices: count, out }, `1. The factory burns ${count} devices into ${out}`);
  const { parseSpec } = await import('@zerotouch/manufacturing/spec');
  const { burnBatch } = await import('@zerotouch/manufacturing/batch');
  const images: { registrationId: string; path: string }[] = [];
  const burnt = await burnBatch(parseSpec(demoSpec(count), 'demo.yaml'), {
    out,
    clock: systemClock,
    entropy: systemEntropy,
    signal,
    onProgress: (event) => {
      if (event.kind !== 'burnt') return;
      const { registrationId, attestation, image } = event;
      images.push({ registrationId, path: resolve(out, image) });
      output.event({ burnt: registrationId, attestation, image }, `   burnt ${registrationId}  ${attestation}`);
    },
  });
  signal.throwIfAborted();
  images.sort((a, b) => (a.registrationId < b.registrationId ? -1 : 1));

  const { startCloud } = await import('@zerotouch/cloud-sim/cloud');
  await using cloud = await startCloud({ retryAfterSeconds: 0 });
  await cloud.import(JSON.parse(await readFile(join(out, ENROLMENT_FILE), 'utf8')) as EnrolmentFile);
  const hubs = cloud.hubs.map(({ host, region }) => ({ host, region }));
  output.event(
    { step: 'cloud', mqttPort: cloud.dps.mqttPort, hubs },
    `2. A local DPS takes the batch's enrolments; its hubs: ${hubs.map(({ host, region }) => `${host} (${region})`).join(', ')}`,
  );
  let telemetry = 0;
  cloud.events.on('telemetry', () => {
    telemetry += 1;
  });

  output.event({ step: 'power-on', devices: images.length }, '3. Power on');
  const booted = await bootAll(images, cloud, {
    timeoutMs: BOOT_TIMEOUT_MS,
    signal,
    watch: (device, registrationId) => {
      device.on('state', ({ state, ms }) => {
        const where = state === 'connecting' || state === 'running' ? `  ${device.hub}` : '';
        output.event({ device: registrationId, state, ms, hub: device.hub }, `   ${registrationId}  ${state}${where}`);
      });
      device.on('failure', ({ during, failure }) => {
        const { outcome, detail } = failure;
        output.event(
          { device: registrationId, failure: outcome, during, detail },
          `   ${registrationId}  ${outcome} when ${during}: ${detail}`,
        );
      });
    },
  });

  const on = booted.flatMap(({ device }) => (device === undefined ? [] : [device]));
  try {
    signal.throwIfAborted();
    output.event({ step: 'telemetry' }, '4. Every device sends a message to its hub');
    const sent = await Promise.allSettled(on.map((device) => device.send({ temperatureCelsius: 21.5 })));
    const unsent = sent.filter(({ status }) => status === 'rejected').length;
    output.event({ telemetry, unsent }, `   ${telemetry} acknowledged${unsent === 0 ? '' : `, ${unsent} not`}`);
    const stories = booted.map(({ story }) => story);
    const result = summary(stories, burnt.failed, cloud.hubs, out);
    output.result({ ...result }, closingWords(stories, result));
    return result.failed + unsent === 0 ? EXIT.done : EXIT.failed;
  } finally {
    for (const device of on) device.removeAllListeners('state');
    await Promise.all(on.map((device) => device.stop()));
  }
}

interface Summary {
  devices: number;
  running: number;
  failed: number;
  hubs: Record<string, number>;
  out: string;
}

function summary(stories: readonly DeviceStory[], burnFailures: number, hubs: readonly { host: string }[], out: string): Summary {
  const running = stories.filter(({ failure }) => failure === undefined);
  const devices = stories.length + burnFailures;
  const spread = hubs.map(({ host }) => [host, running.filter(({ hub }) => hub === host).length] as const);
  return { devices, running: running.length, failed: devices - running.length, hubs: Object.fromEntries(spread), out };
}

function closingWords(stories: readonly DeviceStory[], { devices, running, failed, hubs, out }: Summary): string {
  const table = new Table({ head: ['hub', 'state', 'devices', 'boot ms: median', 'slowest'], style: { head: [], border: [] } });
  for (const [host, count] of Object.entries(hubs))
    table.push([host, 'running', count, ...bootTimes(stories.filter(({ hub }) => hub === host))]);
  table.push(['all', 'running', running, ...bootTimes(stories)]);
  if (failed > 0) table.push(['none', 'failed', failed, '-', '-']);
  const failures = stories.flatMap(({ registrationId, failure }) => (failure === undefined ? [] : [`  ${registrationId}: ${failure}`]));
  return [
    table.toString(),
    `${running} of ${devices} running${failed === 0 ? '' : `, ${failed} failed`}. Look into an image: zerotouch inspect ${join(out, 'images', `${stories[0]?.registrationId}.bin`)}`,
    ...failures,
  ].join('\n');
}

function bootTimes(stories: readonly DeviceStory[]): [median: number | string, slowest: number | string] {
  const times = stories.flatMap(({ bootMs }) => (bootMs === undefined ? [] : [bootMs])).sort((a, b) => a - b);
  return [times[Math.floor(times.length / 2)] ?? '-', times.at(-1) ?? '-'];
}

function parseCount(text: string): number {
  const count = Number(text);
  if (!/^\d{1,6}$/.test(text) || count < 1 || count > DEVICES_MAX) {
    throw new InvalidArgumentError(`expected a number from 1 to ${DEVICES_MAX}.`);
  }
  return count;
}
