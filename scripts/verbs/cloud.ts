import { rmSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { EnrolmentFile } from '@zerotouch/azure-wire/enrolment';
import { GLOBAL_DPS_HOST } from '@zerotouch/azure-wire/ids';
import type { Cloud } from '@zerotouch/cloud-sim/cloud';
import type { WebView } from '@zerotouch/cloud-sim/web/web';
import { CLOUD_FILE } from '@zerotouch/firmware-sim/runtime/cloud-file';
import { inFile } from '@zerotouch/foundation/command/failure';
import { aborted } from '@zerotouch/foundation/command/interruption';
import { Fault } from '@zerotouch/foundation/fault';
import { prepareForThousands } from '@zerotouch/foundation/garbage';
import { Option } from 'commander';
import { azCommands, azFolder } from '../az-commands.js';
import { tellEvents } from '../cloud-events.js';
import { readEnrolmentText } from '../dps-target.js';
import type { AddVerb, Job } from '../job.js';
import type { MetricsServer } from '../metrics-server.js';
import { parsePort, parseProcesses } from '../options.js';
import { type CloudState, claimFolder, removeIfEmpty, runningCloud, writePrivately, writeState } from '../state-file.js';
import { webPageFolder } from '../web-page.js';

interface CloudVerbOptions {
  config?: string;
  enrollments: string[];
  data?: string;
  mqttPort?: number;
  amqpPort?: number;
  httpsPort?: number;
  workers?: number;
  printHosts?: boolean;
  web?: number;
  metrics?: number;
  printAz?: boolean;
}

/** Every door listens on the loopback address; the listener's certificate carries this name beside the real ones. */
const LOCAL_HOST = 'localhost';

/** `zerotouch cloud`: the local Azure, until it is ended. */
export const addCloud: AddVerb = (program, run) => {
  program
    .command('cloud')
    .summary('run a local DPS and three IoT hubs')
    .description(
      `Run a local Azure (DPS over MQTT, AMQP, WebSocket and HTTPS, Azure's resource manager for az, three IoT hubs over MQTT, all TLS) until Ctrl-C. ${CLOUD_FILE} describes it to the other verbs while it runs; the first line of --json says the same. Then one line an event: who registered, who was refused, and the real reason.`,
    )
    .option(
      '--config <file>',
      'limits, hubs, regions, latencies and more, YAML or JSON (zerotouch schema cloud); options given here go before it',
    )
    .addOption(
      new Option('--enrollments <dir>', 'take the enrolments and CA certificates of a burnt batch; may be given more than once')
        .argParser((dir, dirs: string[]) => [...dirs, dir])
        .default([], 'none'),
    )
    .option('--data <dir>', 'keep everything in this folder, made when it is missing: it survives the process; default: memory only')
    .addOption(new Option('--mqtt-port <port>', 'port of MQTT over TLS; default: a free one').argParser(parsePort))
    .addOption(new Option('--amqp-port <port>', 'port of AMQP over TLS, for DPS; default: a free one').argParser(parsePort))
    .addOption(
      new Option('--https-port <port>', 'port of HTTPS, and of MQTT and AMQP over WebSocket; default: a free one').argParser(parsePort),
    )
    .addOption(
      new Option('--workers <n>', 'processes that do TLS for this one; worth it from some hundred connections a second').argParser(
        parseProcesses,
      ),
    )
    .addOption(
      new Option(
        '--web [port]',
        'serve the web view, and print its address: a secret of whoever may drive this cloud; default: a free port',
      )
        .argParser(parsePort)
        .preset('0'),
    )
    .addOption(new Option('--metrics <port>', 'serve metrics for Prometheus at this port (0: a free one)').argParser(parsePort))
    .option('--print-hosts', 'print the lines that /etc/hosts needs for clients that insist on the real names, and end')
    .option(
      '--print-az',
      'print the commands that point az to the cloud that runs in this folder, and end; where none runs, run it and print them when it is ready',
    )
    .addHelpText(
      'after',
      `
Examples:
  $ zerotouch cloud --enrollments batch
  $ zerotouch cloud --enrollments line-1 --enrollments line-2 --mqtt-port 8883 --amqp-port 5671 --https-port 8443 --json
  $ zerotouch cloud --enrollments batch --web 8080
  $ zerotouch cloud --config cloud.yaml --workers 2
  $ zerotouch cloud --print-hosts | sudo tee -a /etc/hosts
  $ eval "$(zerotouch cloud --print-az)" && az iot dps list             # while it runs; the commands hold its secret

Exits 130 on Ctrl-C, 0 when it is ended by SIGTERM.`,
    )
    .action((options: CloudVerbOptions) =>
      run(async (job) => {
        if (options.printHosts === true) return printHosts(options, job);
        if (options.printAz === true && (await printAz(job))) return undefined;
        return runCloud(options, job);
      }),
    );
};

async function runCloud(
  { config, enrollments, printHosts: _, printAz: tellAz, web, metrics, ...given }: CloudVerbOptions,
  job: Job,
): Promise<undefined> {
  const options = config === undefined ? {} : await (await import('../cloud-config.js')).readCloudConfig(config);
  const batches = await Promise.all(enrollments.map(readEnrolments));
  const claim = claimFolder();
  const caFile = resolve(dirname(CLOUD_FILE), 'ca.pem');
  // On exit, so that they are gone whatever ends the process.
  process.once('exit', () => {
    for (const file of [CLOUD_FILE, caFile]) rmSync(file, { force: true });
    rmSync(azFolder(caFile), { recursive: true, force: true });
    claim[Symbol.dispose]();
    removeIfEmpty(dirname(CLOUD_FILE));
  });
  prepareForThousands();
  const { startCloud } = await import('@zerotouch/cloud-sim/cloud');
  await using cloud = await startCloud({ ...options, ...given });
  const imports = [];
  for (const { file, where } of batches) imports.push({ where, summary: await inFile(where, () => cloud.import(file)) });

  await using view = web === undefined ? undefined : await openWeb(cloud, web);
  const state = { ...stateOf(cloud, caFile), ...(view === undefined ? {} : { web: { url: view.url } }) };
  await using measured = metrics === undefined ? undefined : await openMetrics(cloud, metrics);
  // First, so that whoever waits for the state file finds what it names.
  writePrivately(caFile, cloud.ca);
  writeState(state);

  job.output.event({ ...state }, readyWords(state));
  if (measured !== undefined) job.output.event({ event: 'metrics', url: measured.url }, `Metrics: ${measured.url}`);
  if (tellAz === true) {
    const commands = azCommands(state);
    job.output.event({ event: 'az', commands }, commands.join('\n'));
  }
  for (const { where, summary } of imports) {
    const { created, updated, unchanged, certificates } = summary;
    job.output.event(
      { event: 'imported', from: where, ...summary },
      `${where}: batch ${summary.batch}; enrolments: ${created + updated + unchanged}, CA certificates: ${certificates}`,
    );
  }
  const counts = tellEvents(cloud.events, job.output);
  await aborted(job.signal);
  await view?.close();
  await cloud.close();
  job.output.result(
    { ended: true, ...counts },
    `Ended. Registrations: ${counts.registered}, sign-ins: ${counts.connected}, refusals: ${counts.refused}.`,
  );
  return undefined;
}

async function openWeb(cloud: Cloud, port: number): Promise<WebView> {
  const { openWebView } = await import('@zerotouch/cloud-sim/web/web');
  return openWebView({ cloud, port, page: webPageFolder() });
}

async function openMetrics(cloud: Cloud, port: number): Promise<MetricsServer> {
  const [{ cloudMetrics }, { serveMetrics }] = await Promise.all([import('../cloud-metrics.js'), import('../metrics-server.js')]);
  return serveMetrics(cloudMetrics(cloud), port);
}

/** Tells the commands for `az` and ends, where a cloud runs in this folder. @returns whether one does */
async function printAz({ output }: Job): Promise<boolean> {
  const state = await runningCloud();
  if (state === undefined) return false;
  const commands = azCommands(state);
  output.result({ commands }, commands.join('\n'));
  return true;
}

async function printHosts({ config }: CloudVerbOptions, job: Job): Promise<undefined> {
  const { DEFAULT_HUBS } = await import('@zerotouch/cloud-sim/options');
  const { hubs = DEFAULT_HUBS } = config === undefined ? {} : await (await import('../cloud-config.js')).readCloudConfig(config);
  const hosts = [GLOBAL_DPS_HOST, ...hubs.map((hub) => hub.host)].map((name) => `127.0.0.1 ${name}`);
  job.output.result({ hosts }, hosts.join('\n'));
  return undefined;
}

async function readEnrolments(dir: string): Promise<{ where: string; file: EnrolmentFile }> {
  const { where, text } = await readEnrolmentText(dir);
  try {
    // Only its being JSON is checked here: the cloud itself checks every field when it takes the file.
    return { where, file: JSON.parse(text) as EnrolmentFile };
  } catch {
    // The parser's own message quotes the text, and the text holds keys.
    throw new Fault('ENROLMENTS_NOT_JSON', 'the enrolments are not JSON', { where, expected: 'a file written by zerotouch burn' });
  }
}

function stateOf(cloud: Cloud, ca: string): CloudState {
  const { edges: _, ...dps } = cloud.dps;
  return {
    ready: true,
    // Where it is reached, not its own name: a client that knows nothing of us needs no line in /etc/hosts for this one.
    dps: { ...dps, host: LOCAL_HOST },
    hubs: cloud.hubs.map(({ host, region, subscription, connectionString }) => ({ host, region, subscription, connectionString })),
    arm: cloud.arm,
    ca,
  };
}

function readyWords({ dps, hubs, ca, web }: CloudState): string {
  const lines = [
    `The local Azure is ready on ${dps.host}, all TLS: MQTT on port ${dps.mqttPort}, AMQP on ${dps.amqpPort}, HTTPS and WebSocket on ${dps.httpsPort}; ID scope ${dps.idScope}.`,
    ...hubs.map((hub) => `  ${hub.host}  ${hub.region}`),
    ...(web === undefined ? [] : [`Web view: ${web.url}`]),
    `Its CA: ${ca}; connection strings: ${CLOUD_FILE}. Boot a device from this folder with zerotouch boot IMAGE. Ctrl-C ends it.`,
  ];
  return lines.join('\n');
}
