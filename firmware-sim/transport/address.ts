import type { Endpoint } from '../boot/ports.js';
import type { TransportName } from './transport-names.js';

/** Port of MQTT over TLS. Source: iot-mqtt-connect-to-iot-hub. */
const MQTT_TLS_PORT = 8883;
/** Port of AMQP over TLS. Source: iot-hub-amqp-support. */
const AMQP_TLS_PORT = 5671;
/** Port of HTTPS and of WebSocket over it. */
const HTTPS_PORT = 443;

/** The path of either protocol over WebSocket, at DPS and at a hub. Source: seen from Azure's clients. */
export const WEB_SOCKET_PATH = '/$iothub/websocket';

/** A host and a port of it. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Where DPS is reached by a transport. */
export function dpsAddress(endpoint: Endpoint, transport: TransportName): Address {
  return { host: endpoint.dpsHost, port: portOf(endpoint, transport, endpoint.dpsPort) };
}

/** Where a hub is reached by a transport: at the gateway when there is one, else by its own name. */
export function hubAddress(endpoint: Endpoint, hub: string, transport: TransportName): Address {
  const { host, port } = endpoint.gateway ?? { host: hub, port: MQTT_TLS_PORT };
  return { host, port: portOf(endpoint, transport, port) };
}

/** Host and port as one text, as the SDKs take them. */
export function hostAndPort({ host, port }: Address): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/**
 * The same for a transport of the SDK: over WebSocket and HTTPS it adds the standard port itself; where the connection really goes is decided where
 * it is dialled.
 */
export function sdkHost(address: Address, transport: TransportName): string {
  return transport === 'mqtt' || transport === 'amqp' ? hostAndPort(address) : hostAndPort(address).replace(/:\d+$/, '');
}

function portOf({ ports = {} }: Endpoint, transport: TransportName, mqttPort: number): number {
  if (transport === 'mqtt') return mqttPort;
  return transport === 'amqp' ? (ports.amqp ?? AMQP_TLS_PORT) : (ports.https ?? HTTPS_PORT);
}
