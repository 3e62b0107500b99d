import type { DpsRequest } from '@zerotouch/azure-wire/dps-mqtt';
import { parseDpsRequest } from '@zerotouch/azure-wire/dps-mqtt';
import { type HubRequest, parseHubRequest } from '@zerotouch/azure-wire/hub-mqtt';
import type { Assignment } from '@zerotouch/firmware-sim/boot/kept';
import type { DpsPort, Endpoint, HubPort } from '@zerotouch/firmware-sim/boot/ports';
import type { Identity } from '@zerotouch/firmware-sim/identity/identity';
import type { ClientName } from '@zerotouch/firmware-sim/transport/client-names';
import { clientPorts } from '@zerotouch/firmware-sim/transport/clients';
import { systemClock } from '@zerotouch/foundation/clock';
import { behave, type CrookedServer, type Guest, type Manners } from './crooked-server.js';

export const registrationId = 'dev-1';
export const assignment: Assignment = { hub: 'hub-weu.azure-devices.net', deviceId: 'dev-1' };

/** The ports of one client, on the machine's clock. */
export function ports(client: ClientName): { dps: DpsPort; hub: HubPort } {
  return clientPorts(client, systemClock);
}

/** A device with a symmetric key. */
export function keyIdentity(): Identity {
  return {
    idScope: '0ne00000A1B',
    endpoint: 'global.azure-devices-provisioning.net',
    registrationId,
    serial: 'S-1',
    attestation: { kind: 'symmetric-key', key: Buffer.alloc(32, 7) },
  };
}

/** Everything is at one server. */
export function endpointOf(server: CrookedServer, overrides: Partial<Endpoint> = {}): Endpoint {
  return {
    dpsHost: 'localhost',
    dpsPort: server.port,
    gateway: { host: 'localhost', port: server.port },
    ca: server.authority.certificate,
    ...overrides,
  };
}

/** Manners that acknowledge a device's messages to DPS and hand them on. */
export function dpsManners(answer: (guest: Guest, request: DpsRequest) => void): Manners {
  return {
    publish(guest, packet) {
      behave(guest, packet);
      answer(guest, parseDpsRequest(packet.topic));
    },
  };
}

/** Manners that acknowledge a device's messages to a hub and hand them on. */
export function hubManners(answer: (guest: Guest, request: HubRequest) => void): Manners {
  return {
    publish(guest, packet) {
      behave(guest, packet);
      answer(guest, parseHubRequest(packet.topic));
    },
  };
}

/** A signal for calls that are meant to end by themselves. */
export function patient(): AbortSignal {
  return new AbortController().signal;
}
