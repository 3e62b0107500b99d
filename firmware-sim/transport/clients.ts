import type { Clock } from '@zerotouch/foundation/clock';
import type { DpsPort, HubPort } from '../boot/ports.js';
import { createSdkDps } from './sdk-dps.js';
import { createSdkHub } from './sdk-hub.js';
import { createWireDps } from './wire-dps.js';
import { createWireHub } from './wire-hub.js';

/** The two clients that fill the ports. */
export const clientNames = ['sdk', 'wire'] as const;
export type ClientName = (typeof clientNames)[number];

/** The ports of one client. */
export function clientPorts(client: ClientName, clock: Clock): { dps: DpsPort; hub: HubPort } {
  if (client === 'sdk') return { dps: createSdkDps({ clock }), hub: createSdkHub({ clock }) };
  return { dps: createWireDps({ clock }), hub: createWireHub({ clock }) };
}
