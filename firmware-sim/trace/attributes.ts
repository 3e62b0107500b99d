import type { Driver } from '../boot/driver.js';
import type { Failure } from '../boot/ports.js';
import { dpsAddress, hubAddress } from '../transport/address.js';
import type { TransportName } from '../transport/transport-names.js';
import type { Attributes } from './open-telemetry.js';

/**
 * Attributes of a device's spans: by OpenTelemetry's semantic conventions where those have one (`server.address`, `network.protocol.name`,
 * `error.type`, `device.id`), else `zerotouch.`. No secret is among them.
 */
export type SomeAttributes = Readonly<Record<string, Attributes[string] | undefined>>;

/** What a trace says of a device, asked when it is told. */
export type TracedDevice = Pick<Driver, 'identity' | 'assignment' | 'endpoint'>;

/** Who it is. */
export function deviceAttributes({ identity, assignment }: TracedDevice): SomeAttributes {
  return {
    'device.id': assignment?.deviceId ?? identity?.registrationId,
    'zerotouch.registration_id': identity?.registrationId,
    'zerotouch.attestation': identity?.attestation.kind,
    'zerotouch.hub': assignment?.hub,
  };
}

/** Whom it asks, and where that is really reached when at another name: a hub of the local cloud. */
export function addressAttributes(whom: 'dps' | 'hub', { endpoint, assignment }: TracedDevice, transport: TransportName): SomeAttributes {
  if (endpoint === undefined) return {};
  const name = whom === 'dps' ? endpoint.dpsHost : (assignment?.hub ?? '');
  const protocol = transport === 'http' && whom === 'hub' ? 'mqtt' : transport;
  const { host, port } = whom === 'dps' ? dpsAddress(endpoint, protocol) : hubAddress(endpoint, name, protocol);
  return {
    'server.address': name,
    'server.port': port,
    ...(host === name ? {} : { 'network.peer.address': host, 'network.peer.port': port }),
    'network.protocol.name': protocol.replace('-ws', ''),
  };
}

/** What a failure says for programs; what it says for people is the span's status. */
export function failureAttributes({ outcome, code, retryAfterMs }: Failure): Attributes {
  return {
    'error.type': outcome,
    ...(code === undefined ? {} : { 'zerotouch.code': code }),
    ...(retryAfterMs === undefined ? {} : { 'zerotouch.retry_after_ms': retryAfterMs }),
  };
}
