import type { Clock } from '@zerotouch/foundation/clock';
import type { Endpoint } from '../boot/ports.js';
import type { Attestation } from '../identity/attestation.js';

/** Port of MQTT over TLS. Source: iot-mqtt-connect-to-iot-hub. */
const MQTT_TLS_PORT = 8883;

/** How long a token is good, seconds. A hub closes the connection when it expires. */
export const TOKEN_SECONDS = 3_600;

/** When a token made now expires, seconds since 1970. */
export function tokenExpiry(clock: Clock): number {
  return Math.floor(clock.now() / 1000) + TOKEN_SECONDS;
}

/** Where a hub is reached: at the gateway when there is one, else by its own name. */
export function hubAddress(endpoint: Endpoint, hub: string): { host: string; port: number } {
  return endpoint.gateway ?? { host: hub, port: MQTT_TLS_PORT };
}

/** Host and port as one text, as the SDKs take them. */
export function hostAndPort({ host, port }: { host: string; port: number }): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** What of an attestation TLS presents. */
export function clientCertificate(attestation: Attestation): { cert: string; key: string } | undefined {
  return attestation.kind === 'x509' ? { cert: attestation.certificate, key: attestation.privateKey } : undefined;
}
