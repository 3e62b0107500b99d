import { clientNames } from '../transport/client-names.js';
import { transportNames } from '../transport/transport-names.js';
import type { DeviceOptions } from './device.js';
import { BootFault } from './faults.js';

/**
 * What the compiler tells those who write TypeScript, for all others: before anything is opened.
 * @throws BootFault BAD_OPTION
 */
export function checkDeviceOptions({ flash, client = 'sdk', transport = 'mqtt' }: DeviceOptions): void {
  const isStorage = typeof flash === 'object' && flash !== null && typeof flash.read === 'function' && typeof flash.close === 'function';
  if (!isStorage && (typeof flash !== 'string' || flash === '')) {
    throw bad('flash is neither a path nor a storage', typeof flash, 'the path of an image or of a block device, or a Storage');
  }
  if (!clientNames.includes(client)) throw bad('there is no such client', client, clientNames.join(', '));
  if (!transportNames.includes(transport)) throw bad('there is no such transport', transport, transportNames.join(', '));
  if (client === 'wire' && !transport.startsWith('mqtt')) {
    throw bad('the wire client speaks MQTT alone', `client wire, transport ${transport}`, 'transport mqtt or mqtt-ws, or client sdk');
  }
}

function bad(summary: string, seen: unknown, expected: string): BootFault {
  return new BootFault('BAD_OPTION', summary, { seen, expected });
}
