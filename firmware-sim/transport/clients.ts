import type { Clock } from '@zerotouch/foundation/clock';
import type { DpsPort, HubPort } from '../boot/ports.js';
import type { ClientName } from './client-names.js';
import { createSdkDps } from './sdk-dps.js';
import { createSdkHub } from './sdk-hub.js';
import { createWireDps } from './wire-dps.js';
import { createWireHub } from './wire-hub.js';

/** The ports of one client. */
export function clientPorts(client: ClientName, clock: Clock): { dps: DpsPort; hub: HubPort } {
  if (client === 'sdk') return { dps: createSdkDps({ clock }), hub: createSdkHub({ clock }) };
  return { dps: createWireDps({ clock }), hub: createWireHub({ clock }) };
}
