import { existsSync } from 'node:fs';
import { LOCAL_ID_SCOPE } from '@zerotouch/azure-wire/ids';
import type { Output } from '@zerotouch/foundation/command/output';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Endpoint } from '../boot/ports.js';
import type { Identity } from '../identity/identity.js';
import { type ClientName, clientNames } from '../transport/client-names.js';
import { type TransportName, transportNames } from '../transport/transport-names.js';
import { requireTransport } from '../transport/transport-package.js';
import { readApplication, requireSlots, updateApplication } from './application-update.js';
import { CLOUD_FILE, readCloudFile } from './cloud-file.js';
import { Deadline } from './deadline.js';
import type { Device, DeviceOptions } from './device.js';
import { BootFault } from './faults.js';
import { parseProxy } from './proxy.js';

/** The options of `zerotouch boot` and `zerotouch-device`, parsed. */
export interface BootOptions {
  /** End as soon as the device is running. */
  readonly once?: boolean;
  /** Seconds allowed until the device is running, and with its update where there is one; a default with `once`, without end otherwise. */
  readonly timeout?: number;
  readonly client: ClientName;
  readonly transport: TransportName;
  /** Time servers, where the machine was never told the time. */
  readonly timeServer?: string[];
  /** How the device's TPM is reached. */
  readonly tpm?: string;
  /** Have DPS issue a certificate for the hub. */
  readonly issueCertificate?: boolean;
  /** An HTTP proxy, or `env:NAME` for one whose URL holds a password. */
  readonly proxy?: string;
  /** The file of a new application for the slot that does not run. */
  readonly update?: string;
  /** The file of a local cloud. */
  readonly cloud?: string;
  /** Host of DPS, with a port if it is not the transport's own. */
  readonly endpoint?: string;
}

/** How long `--once` waits when `--timeout` is not given, seconds. */
export const ONCE_TIMEOUT_S = 60;
/** The same with `--update`, whose application has to run for a minute. */
const UPDATE_TIMEOUT_S = 180;
/** The longest `--timeout`, seconds: more than three weeks. */
const TIMEOUT_MAX_S = 2_000_000;

/** Adds the options that `zerotouch boot` and `zerotouch-device` share. */
export function addBootOptions(command: Command, name: string): Command {
  return command
    .option('--once', 'end as soon as the device is running; without it, stay connected until Ctrl-C')
    .addOption(
      new Option(
        '--timeout <seconds>',
        `give up after so long (default: ${ONCE_TIMEOUT_S} with --once, ${UPDATE_TIMEOUT_S} with --update too, never without)`,
      ).argParser(parseSeconds),
    )
    .addOption(
      new Option(
        '--transport <name>',
        'how to speak to the cloud; mqtt goes by port 443 where 8883 is closed; http is for DPS only, the hub then goes by mqtt',
      )
        .choices(transportNames)
        .default('mqtt'),
    )
    .addOption(
      new Option('--client <name>', "sdk: Microsoft's clients; wire: our own, over the mqtt package").choices(clientNames).default('sdk'),
    )
    .option('--cloud <file>', `the file of a local cloud (default: ${CLOUD_FILE}, for images of the local ID scope)`)
    .option('--endpoint <host>', "host of DPS, with :PORT if it is not the transport's own (default: the one that was burnt)")
    .option('--time-server <host...>', 'ask these (SNTP) when the machine was never told the time')
    .option('--issue-certificate', 'have DPS issue a certificate for the hub, and renew it; its enrolment needs a credential policy')
    .option(
      '--update <file>',
      'hand it a new application (as esptool makes it) once it runs: booted on trial from the other slot, kept after a minute',
    )
    .option('--tpm <name>', "the device's TPM, for an image without a secret: /dev/tpmrm0, or swtpm:host=H,port=P")
    .option('--proxy <url>', 'an HTTP proxy to go through: http://host:port, or env:NAME for one with a password')
    .addHelpText(
      'after',
      `
Examples:
  $ ${name} batch/images/thermo-000001.bin --once
  $ ${name} batch/images/thermo-000001.bin --client wire --json
  $ ${name} batch/images/thermo-000001.bin --transport amqp-ws --proxy http://proxy:3128
  $ ${name} batch/images/thermo-000001.bin --update thermo-2.bin --once

Exits 1 when the device is refused or the update does not stay, 2 when the image cannot be used, 3 when no cloud runs here or nobody answers in time.`,
    );
}

/**
 * Powers on the device in an image file, tells every state it enters, and ends when `once` is reached or `signal` is aborted.
 * @throws BootFault and what the image's reader throws; a failed boot has said its result by then
 */
export async function bootImage(
  path: string,
  options: BootOptions,
  output: Output,
  signal: AbortSignal,
  more: Pick<DeviceOptions, 'trace'> = {},
): Promise<void> {
  const device = { ...deviceOptions(path, options), ...more };
  const application = options.update === undefined ? undefined : readApplication(options.update);
  if (application !== undefined) requireSlots(path);
  const patience = application === undefined ? ONCE_TIMEOUT_S : UPDATE_TIMEOUT_S;
  const timeout = options.timeout ?? (options.once === true ? patience : undefined);
  using limit = new Deadline(signal, timeout === undefined ? undefined : timeout * 1000);
  // Only now: Microsoft's clients take a while to load, and `--help` does not need them.
  const { powerOn } = await import('./power-on.js');
  let powered: Device | undefined;
  let lastState = 'off';
  try {
    const running = await powerOn({
      ...device,
      signal: limit.signal,
      giveUpWhenRefused: options.once === true,
      watch: (watched) => {
        powered = watched;
        // Not `off`: a device that gave up is switched off, and that is not what anybody wants to know.
        watched.on('state', ({ state }) => {
          if (state !== 'off') lastState = state;
        });
        tell(watched, output);
      },
    });
    if (application !== undefined) {
      const { name } = await updateApplication(running, application, limit.signal);
      output.event({ updated: name }, `            the new application has proved itself, and stays in ${name}`);
    }
    const reached = result(running);
    if (options.once !== true && !signal.aborted) await stayUp(running, output, signal);
    const final = options.once === true ? reached : result(running);
    await running.stop();
    output.result(final, words(final));
  } catch (error) {
    if (powered !== undefined) {
      const how = signal.aborted ? {} : { error: describe(error) };
      output.result({ ...result(powered, lastState), ...how });
    }
    throw error;
  }
}

/**
 * The device that these options describe.
 * @throws BootFault BAD_OPTION, CLOUD_FILE, and what {@link requireTransport} throws
 */
export function deviceOptions(flash: string, options: BootOptions): DeviceOptions {
  requireClient(options);
  const { client, transport, timeServer, tpm, issueCertificate } = options;
  return {
    flash,
    client,
    transport,
    ...(timeServer === undefined ? {} : { timeServers: timeServer }),
    ...(tpm === undefined ? {} : { tpm }),
    ...(issueCertificate === true ? { certificate: 'issued' as const } : {}),
    endpoint: chooseEndpoint(options),
  };
}

/**
 * Whether the client speaks the transport, and both are installed.
 * @throws BootFault BAD_OPTION, and what {@link requireTransport} throws
 */
export function requireClient(options: BootOptions): void {
  if (options.client === 'wire' && !options.transport.startsWith('mqtt')) {
    throw new BootFault('BAD_OPTION', 'the wire client speaks MQTT alone', {
      seen: `--client wire --transport ${options.transport}`,
      expected: '--transport mqtt or mqtt-ws, or --client sdk',
    });
  }
  if (options.client === 'sdk') requireTransport(options.transport);
}

/** What is known of a boot: the last JSON line. */
interface BootResult extends Record<string, unknown> {
  state: string;
  hub: string | null;
  deviceId: string | null;
  config: Record<string, unknown> | null;
  bootMs: number | null;
  boots: number;
  registrations: number;
}

function result(device: Device, state: string = device.state.state): BootResult {
  const { config, counters } = device;
  return {
    state,
    hub: device.hub ?? null,
    deviceId: device.deviceId ?? null,
    config: config === undefined ? null : { ...config.values, $version: config.version },
    bootMs: device.bootMs ?? null,
    boots: counters.boots,
    registrations: counters.registrations,
  };
}

function words({ state, hub, deviceId, config, bootMs, boots, registrations }: BootResult): string {
  return [
    `${deviceId ?? 'The device'} is ${state} on ${hub ?? 'no hub'}${bootMs === null ? '' : ` after ${bootMs} ms`}.`,
    `  configuration ${shortened(JSON.stringify(config))}`,
    `  boot ${boots} of this image, ${registrations} registration${registrations === 1 ? '' : 's'} so far`,
  ].join('\n');
}

/** Tells what a device does, as it does it. */
export function tell(device: Device, output: Output): void {
  const pad = (ms: number) => `${String(ms).padStart(7)} ms`;
  device.on('state', ({ table, state, ms }) => {
    if (state !== 'off') output.event({ state, table, ms }, `${pad(ms)}  ${state}`);
  });
  device.on('slots', ({ state, running, ms }) => {
    if (state === 'idle') return;
    const { name, onTrial } = running ?? { name: null, onTrial: false };
    output.event(
      { slots: state, application: name, onTrial, ms },
      `${pad(ms)}  application ${name ?? 'none'}${onTrial ? ', on trial' : ''}: ${state}`,
    );
  });
  device.on('failure', ({ during, failure }) => {
    const { outcome, detail, code, retryAfterMs } = failure;
    output.event({ failure: outcome, during, detail, code, retryAfterMs }, `            ${outcome} when ${during}: ${detail}`);
  });
  device.on('wait', ({ table, ms }) => output.event({ waiting: table, waitMs: ms }, `            next attempt in ${ms} ms`));
  device.on('warning', ({ code, ...warning }) =>
    output.event(
      { warning: code, ...warning },
      `            warning: ${warning.reason} (${warning.where}${warning.until === undefined ? '' : `, until ${warning.until.slice(0, 10)}`}); ${warning.remedy}`,
    ),
  );
  device.on('fault', ({ during, error }) =>
    output.event({ fault: describe(error), during }, `            when ${during}: ${describe(error).message}`),
  );
}

// A device that has reached its hub stays: changes of its configuration and lost connections are told as they come.
async function stayUp(device: Device, output: Output, signal: AbortSignal): Promise<void> {
  const arrived = result(device);
  output.event({ ...arrived }, words(arrived));
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

export function chooseEndpoint(options: BootOptions): (identity: Identity) => Endpoint {
  const direct = choosePlace(options);
  if (options.proxy === undefined) return direct;
  const proxy = parseProxy(options.proxy);
  return (identity) => ({ ...direct(identity), proxy });
}

/** Where this device goes: the endpoint or cloud named, else the local cloud of this folder, else what was burnt. */
function choosePlace({ cloud, endpoint, transport }: BootOptions): (identity: Identity) => Endpoint {
  if (cloud !== undefined && endpoint !== undefined) {
    throw new BootFault('BAD_OPTION', '--cloud and --endpoint exclude each other', { expected: 'one of them' });
  }
  if (endpoint !== undefined) {
    const named = parseEndpoint(endpoint, transport);
    return () => named;
  }
  if (cloud !== undefined) {
    readCloudFile(cloud);
    return () => readCloudFile(cloud);
  }
  return (identity) => {
    // An image for somebody's real DPS is not led astray by a local cloud that happens to run in this folder.
    if (identity.idScope !== LOCAL_ID_SCOPE) return { dpsHost: identity.endpoint, dpsPort: 8883 };
    if (existsSync(CLOUD_FILE)) return readCloudFile(CLOUD_FILE);
    throw new BootFault('NO_LOCAL_CLOUD', 'the image is for the local cloud, and none runs in this folder', {
      where: identity.registrationId,
      expected: CLOUD_FILE,
      remedy: 'start `zerotouch cloud` here, or name its file with --cloud',
    });
  };
}

function parseEndpoint(text: string, transport: TransportName): Endpoint {
  const match = /^(?:\[([0-9A-Fa-f:]+)\]|([A-Za-z0-9.-]+))(?::(\d{1,5}))?$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3] ?? 8883);
  if (host === undefined || port < 1 || port > 65_535) {
    throw new BootFault('BAD_OPTION', '--endpoint is no host', { seen: text, expected: 'HOST or HOST:PORT' });
  }
  if (match?.[3] === undefined || transport === 'mqtt') return { dpsHost: host, dpsPort: port };
  return { dpsHost: host, dpsPort: 8883, ports: transport === 'amqp' ? { amqp: port } : { https: port } };
}

/** One line that a terminal can take; the whole is in the JSON. */
function shortened(text: string): string {
  return text.length <= 200 ? text : `${text.slice(0, 180)}... (${text.length} characters)`;
}

function describe(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: String(error) };
  const { code } = error as { code?: unknown };
  return { ...(typeof code === 'string' ? { code } : {}), message: error.message };
}

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (!/^\d{1,7}(\.\d{1,3})?$/.test(text) || seconds <= 0 || seconds > TIMEOUT_MAX_S) {
    throw new InvalidArgumentError(`expected a number of seconds above 0, at most ${TIMEOUT_MAX_S}.`);
  }
  return seconds;
}
