import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { isJsonObject, type JsonObject } from '@zerotouch/azure-wire/twin';
import type { Endpoint } from '../boot/ports.js';
import { BootFault } from './faults.js';

/** Where `zerotouch cloud` leaves word of itself, seen from its working folder. */
export const CLOUD_FILE = '.zerotouch/cloud.json';

/**
 * How to reach the local cloud that wrote this file.
 * @throws BootFault CLOUD_FILE when the file is missing, or is not what `zerotouch cloud` writes
 */
export function readCloudFile(path: string): Endpoint {
  const bad = (summary: string, seen?: unknown, expected?: string): BootFault =>
    new BootFault('CLOUD_FILE', summary, {
      where: path,
      ...(seen === undefined ? {} : { seen }),
      ...(expected === undefined ? {} : { expected }),
      remedy: 'start `zerotouch cloud` in this folder, or name its file with --cloud',
    });
  const file = parse(path, bad);
  const dps = isJsonObject(file.dps) ? file.dps : {};
  const { host, mqttPort, amqpPort, httpsPort } = dps;
  if (typeof host !== 'string' || host === '') throw bad('dps.host is missing', host, 'a host name');
  if (!isPort(mqttPort)) throw bad('dps.mqttPort is not a port', mqttPort, 'a number from 1 to 65535');
  if (typeof file.ca !== 'string') throw bad('ca is missing', file.ca, 'the path of a PEM file');
  const caPath = resolve(dirname(path), file.ca);
  let ca: string;
  try {
    ca = readFileSync(caPath, 'utf8');
  } catch {
    throw bad(`its certificate authority ${caPath} cannot be read`);
  }
  const ports = { ...(isPort(amqpPort) ? { amqp: amqpPort } : {}), ...(isPort(httpsPort) ? { https: httpsPort } : {}) };
  return { dpsHost: host, dpsPort: mqttPort, gateway: { host, port: mqttPort }, ports, ca };
}

function parse(path: string, bad: (summary: string) => BootFault): JsonObject {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw bad((error as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such file' : 'the file cannot be read');
  }
  try {
    const value: unknown = JSON.parse(text);
    if (isJsonObject(value)) return value;
  } catch {
    // Told below, the same way as JSON that is no object.
  }
  throw bad('this is not the JSON object that `zerotouch cloud` writes');
}

function isPort(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65_535;
}
