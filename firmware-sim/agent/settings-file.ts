import { dirname, resolve } from 'node:path';
import { inFileSync } from '@zerotouch/foundation/command/failure';
import { readYamlFile } from '@zerotouch/foundation/yaml-file';
import { z } from 'zod';
import { chooseEndpoint, requireClient } from '../runtime/boot-image.js';
import { clientNames } from '../transport/client-names.js';
import { transportNames } from '../transport/transport-names.js';
import { SettingsFault } from './faults.js';
import { HEALTH_SOCKET, type Settings } from './settings.js';

const path = z.string().min(1).max(4096);
/** The longest path that the address of a Unix socket holds. Source: unix(7), `sun_path`. */
const SOCKET_PATH_BYTES = 107;

/** The agent's settings, version 1. Unknown keys are refused. Paths are seen from the file's own folder. */
export const settingsSchema = z.strictObject({
  version: z.literal(1).describe('Version of this format.'),
  image: path.describe("The device's flash image: a file, a partition (/dev/mmcblk0p3) or an MTD block device (/dev/mtdblock0)."),
  transport: z.enum(transportNames).default('mqtt').describe('How to speak to the cloud.'),
  client: z.enum(clientNames).default('sdk').describe("sdk: Microsoft's clients; wire: our own, over the mqtt package."),
  endpoint: z.string().min(1).optional().describe('Host of DPS, with :PORT; by default the one that was burnt.'),
  cloud: path.optional().describe('The file of a local cloud.'),
  timeServers: z.array(z.string().min(1)).max(8).optional().describe('Asked (SNTP) when the machine was never told the time.'),
  tpm: z.string().min(1).optional().describe('/dev/tpmrm0, for an image without a secret.'),
  proxy: z.string().min(1).optional().describe('http://host:port, or env:NAME for one with a password.'),
  healthSocket: path.default(HEALTH_SOCKET).describe('The Unix socket that tells the health and the metrics.'),
  metricsPort: z.number().int().min(1).max(65_535).optional().describe('A port of the loopback address that tells Prometheus the metrics.'),
});

/**
 * Reads and checks the agent's settings; that the image is there is for the device to find out, and to wait for.
 * Whoever runs for months leaves this to a process that ends: a YAML parser and a validator are worth a quarter of a device's memory.
 * @throws SettingsFault SETTINGS_UNREADABLE, SETTINGS_SYNTAX, SETTINGS_INVALID, and what unusable options throw: BootFault BAD_OPTION, CLOUD_FILE, TransportFault
 */
export function readSettingsFile(file: string): Settings {
  const { data, locate } = readYamlFile(file, {
    refuse: (summary, where) => new SettingsFault('SETTINGS_SYNTAX', summary, { where, expected: 'YAML' }),
    unreadable: (seen, cause) =>
      new SettingsFault('SETTINGS_UNREADABLE', 'the settings cannot be read', { where: file, seen, expected: 'a file, YAML', cause }),
  });
  const parsed = settingsSchema.safeParse(data);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    // A key that nobody knows is an issue of what it stands in.
    const unknown = issue?.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [];
    throw new SettingsFault('SETTINGS_INVALID', issue?.message ?? 'not understood', {
      where: locate([...(issue?.path ?? []), ...unknown]),
      remedy: 'all that the file may hold is in docs/guides/raspberry-pi.md',
    });
  }
  return checked(file, parsed.data);
}

function checked(file: string, { version: _, timeServers, ...said }: z.infer<typeof settingsSchema>): Settings {
  const seen = (name: string): string => resolve(dirname(file), name);
  const named = Object.fromEntries(Object.entries({ ...said, timeServer: timeServers }).filter(([, value]) => value !== undefined));
  const settings = {
    ...(named as unknown as Settings),
    image: seen(said.image),
    healthSocket: seen(said.healthSocket),
    ...(said.cloud === undefined ? {} : { cloud: seen(said.cloud) }),
  };
  if (Buffer.byteLength(settings.healthSocket) > SOCKET_PATH_BYTES) {
    throw new SettingsFault('SETTINGS_INVALID', 'the path of the socket is too long', {
      where: `${file} healthSocket`,
      seen: settings.healthSocket,
      expected: `at most ${SOCKET_PATH_BYTES} bytes`,
    });
  }
  // These speak of options, and know nothing of files.
  inFileSync(file, () => {
    requireClient(settings);
    chooseEndpoint(settings);
  });
  return settings;
}
