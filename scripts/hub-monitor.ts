import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { CLOUD_FILE } from '@zerotouch/firmware-sim/runtime/cloud-file';
import { Fault } from '@zerotouch/foundation/fault';
import { type Command, InvalidArgumentError } from 'commander';
import type { LocalHub, MonitoredEvent } from './hub-events.js';
import type { Job, RunVerb } from './job.js';
import type { CloudState } from './state-file.js';

interface MonitorOptions {
  hubName?: string;
  deviceId?: string;
  properties: string[];
  timeout: number;
  cloud: string;
}

const PROPERTIES = ['sys', 'app', 'all'];
/** Seconds without a message after which az, too, ends. */
const TIMEOUT_SECONDS = 300;

/** Adds `monitor` to the verb `hub`: prints what devices send, as `az iot hub monitor-events` does. */
export function addMonitor(hub: Command, run: RunVerb): void {
  hub
    .command('monitor')
    .alias('monitor-events')
    .summary('print what devices send, as it comes')
    .description(
      'Print the messages that devices send to a hub of the local cloud, as they come, until Ctrl-C; as az iot hub monitor-events does.',
    )
    .option('-n, --hub-name <name>', 'name or host name of the hub; default: the only one, or the first')
    .option('-d, --device-id <id>', 'only messages of this device and its modules')
    .option('-p, --properties <kinds...>', 'show properties: sys, app, all', kinds, [])
    .option('-t, --timeout <seconds>', 'end after so many seconds without a message; 0: never', seconds, TIMEOUT_SECONDS)
    .option('--cloud <file>', 'the file that zerotouch cloud wrote', CLOUD_FILE)
    .addHelpText(
      'after',
      '\nExamples:\n  $ zerotouch hub monitor\n  $ zerotouch hub monitor -n hub-weu -d pump-000001 --properties all\n  $ zerotouch hub monitor --timeout 10 --json | jq .event.payload\n\nExits 3 when no local cloud answers.',
    )
    .action((options: MonitorOptions) => run((job) => monitor(options, job)));
}

async function monitor({ hubName, deviceId, properties, timeout, cloud }: MonitorOptions, { output, signal }: Job): Promise<undefined> {
  const { readHubEvents } = await import('./hub-events.js');
  const { host, ...hub } = await localHub(cloud, hubName);
  const quiet = new AbortController();
  const stop = (): void => quiet.abort();
  signal.addEventListener('abort', stop, { once: true });
  let timer: NodeJS.Timeout | undefined;
  const wait = (): void => {
    clearTimeout(timer);
    if (timeout > 0) timer = setTimeout(stop, timeout * 1000);
  };
  let events = 0;
  try {
    const onOpen = (): void => {
      output.event({ monitoring: host }, `Reading what devices send to ${host}. Ctrl-C ends.`);
      wait();
    };
    for await (const event of readHubEvents(hub, { deviceId, signal: quiet.signal, onOpen })) {
      events++;
      const line = { event: shown(event, properties) };
      output.event(line, JSON.stringify(line, null, 2));
      wait();
    }
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
  signal.throwIfAborted();
  output.result({ events }, `${events} messages; none came for ${timeout} s.`);
  return undefined;
}

/** An event in the shape that az prints. */
function shown(
  { deviceId, moduleId = '', body, systemProperties, applicationProperties }: MonitoredEvent,
  properties: readonly string[],
): object {
  const wants = (kind: string): boolean => properties.includes(kind) || properties.includes('all');
  const told = {
    ...(wants('sys') ? { system: systemProperties } : {}),
    ...(wants('app') ? { application: applicationProperties } : {}),
  };
  return {
    origin: deviceId,
    module: moduleId,
    interface: systemProperties['iothub-interface-id'] ?? '',
    component: applicationProperties['dt-subject'] ?? systemProperties['dt-subject'] ?? '',
    payload: payload(body, systemProperties.content_type),
    ...(Object.keys(told).length === 0 ? {} : { properties: told }),
  };
}

function payload(body: Buffer, contentType = ''): unknown {
  const text = body.toString('utf8');
  if (!/json/i.test(contentType)) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** @throws Fault NO_LOCAL_CLOUD, UNKNOWN_HUB */
async function localHub(file: string, name: string | undefined): Promise<LocalHub & { host: string }> {
  const remedy = 'start zerotouch cloud in this folder, or name the file of another one with --cloud';
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new Fault('NO_LOCAL_CLOUD', `there is no local cloud (${error.code})`, { where: file, remedy });
  });
  let state: Partial<CloudState> = {};
  try {
    state = JSON.parse(text) as CloudState;
  } catch {
    // Told below. The parser's own message quotes the text, and the text holds keys.
  }
  const { hubs = [], dps, ca } = state;
  if (dps === undefined || ca === undefined)
    throw new Fault('NO_LOCAL_CLOUD', 'the file does not say how the hubs are reached', { where: file, remedy });
  const wanted = name?.toLowerCase();
  const hub = wanted === undefined ? hubs[0] : hubs.find(({ host }) => host === wanted || host.split('.')[0] === wanted);
  if (hub === undefined) {
    throw new Fault('UNKNOWN_HUB', 'no hub of this name runs here', {
      where: '--hub-name',
      seen: name ?? 'none',
      expected: `one of ${hubs.map(({ host }) => host.split('.')[0]).join(', ')}`,
    });
  }
  return {
    host: hub.host,
    connectionString: hub.connectionString,
    ca: await readFile(resolve(dirname(file), ca), 'utf8'),
    httpsPort: dps.httpsPort,
  };
}

function seconds(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0 || text.trim() === '')
    throw new InvalidArgumentError('expected a number of seconds, 0 or more.');
  return value;
}

function kinds(text: string, before: string[]): string[] {
  if (!PROPERTIES.includes(text)) throw new InvalidArgumentError(`expected ${PROPERTIES.join(', ')}.`);
  return [...before, text];
}
