import { isJsonObject } from '@zerotouch/azure-wire/twin';
import type { BootOptions } from '../runtime/boot-image.js';
import { clientNames } from '../transport/client-names.js';
import { transportNames } from '../transport/transport-names.js';

/** What the agent is told by its file (`/etc/zerotouch-device/device.yaml`), as {@link readSettingsFile} returns it. No secret is in it. */
export interface Settings extends Pick<BootOptions, 'client' | 'transport' | 'timeServer' | 'tpm' | 'proxy' | 'cloud' | 'endpoint'> {
  /** Absolute path of the flash image: a file, a partition or an MTD block device (`/dev/mtdblock0`). */
  readonly image: string;
  /** Absolute path of the socket that tells the device's health. */
  readonly healthSocket: string;
  /** Port of the loopback address that serves the metrics; absent: the socket alone does. */
  readonly metricsPort?: number;
}

/** Where the agent of the service finds its settings, and where it tells its health. */
export const SETTINGS_FILE = '/etc/zerotouch-device/device.yaml';
export const HEALTH_SOCKET = '/run/zerotouch-device/health.sock';

/** Whether two settings say the same. */
export function sameSettings(a: Settings, b: Settings): boolean {
  const text = (settings: Settings): string => JSON.stringify(Object.entries(settings).sort(([x], [y]) => (x < y ? -1 : 1)));
  return text(a) === text(b);
}

/** Whether a value is settings as {@link readSettingsFile} returns them, without the validator that it needs: what an agent once kept may be damaged. */
export function isSettings(value: unknown): value is Settings {
  if (!isJsonObject(value)) return false;
  const { image, healthSocket, client, transport, timeServer = [], metricsPort = 1, ...others } = value;
  const isText = (part: unknown): boolean => typeof part === 'string';
  return (
    [image, healthSocket, ...Object.values(others)].every(isText) &&
    clientNames.some((name) => name === client) &&
    transportNames.some((name) => name === transport) &&
    Array.isArray(timeServer) &&
    timeServer.every(isText) &&
    Number.isInteger(metricsPort)
  );
}
