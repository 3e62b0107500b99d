import type { Clock } from '@zerotouch/foundation/clock';
import type { DpsPort, HubPort } from '../boot/ports.js';
import type { ClientName } from './client-names.js';
import { type RouteMemory, withFallback } from './fallback.js';
import { createSdkDps } from './sdk-dps.js';
import { createSdkHub } from './sdk-hub.js';
import { hubTransport, type TransportName, type WireTransportName } from './transport-names.js';

/** The two ways out of a device. */
export interface CloudPorts {
  readonly dps: DpsPort;
  readonly hub: HubPort;
}

/**
 * The ports of one client over one transport. What they stand on is loaded at the first call: a device keeps in memory only what it speaks.
 * @param transport our own client speaks `mqtt` and `mqtt-ws`
 */
export function clientPorts(client: ClientName, clock: Clock, transport: TransportName = 'mqtt'): CloudPorts {
  const hub = hubTransport(transport);
  if (client === 'sdk') {
    return {
      dps: createSdkDps({ clock, transport }),
      hub: createSdkHub({ clock, transport: hub }),
    };
  }
  const wire: WireTransportName = transport === 'mqtt-ws' ? 'mqtt-ws' : 'mqtt';
  return {
    dps: lazyDps(async () => (await import('./wire-client.js')).createWireDps({ clock, transport: wire })),
    hub: lazyHub(async () => (await import('./wire-client.js')).createWireHub({ clock, transport: wire })),
  };
}

/**
 * The ports of one client over a transport, with the way out that a network leaves: MQTT goes by port 443 where port 8883 is closed.
 * @param memory where it is kept which way got through; absent while the flash is not mounted
 */
export function portsWithFallback(
  client: ClientName,
  clock: Clock,
  transport: TransportName,
  memory: () => RouteMemory | undefined,
): CloudPorts {
  const direct = clientPorts(client, clock, transport);
  if (transport !== 'mqtt') return direct;
  return withFallback({ direct, webSocket: clientPorts(client, clock, 'mqtt-ws'), clock, memory });
}

function lazyDps(load: () => Promise<DpsPort>): DpsPort {
  let port: Promise<DpsPort> | undefined;
  return {
    async register(...call) {
      port ??= load();
      return (await port).register(...call);
    },
  };
}

function lazyHub(load: () => Promise<HubPort>): HubPort {
  let port: Promise<HubPort> | undefined;
  return {
    async connect(...call) {
      port ??= load();
      return (await port).connect(...call);
    },
  };
}
