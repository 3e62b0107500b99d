import { parseHubRequest } from '@zerotouch/azure-wire/hub-mqtt';
import { isFault } from '@zerotouch/foundation/fault';
import type { IConnectPacket } from 'mqtt-packet';
import type { Identity } from '../../hub/identity.js';
import type { Reason } from '../../reasons.js';
import type { Published } from './session.js';

/** The will of a CONNECT: what is published for a device whose connection ends without DISCONNECT. */
export function willOf({ will }: IConnectPacket): Published | undefined {
  if (will === undefined) return undefined;
  const { topic, payload, retain = false } = will;
  return { topic, payload: Buffer.from(payload), retain, will: true };
}

/**
 * Why a hub does not take a will, or `undefined`: it takes telemetry of the device itself. Source: iot-mqtt-connect-to-iot-hub.
 * @param identity `undefined` at DPS, which takes none
 */
export function willFlaw({ will }: IConnectPacket, identity: Identity | undefined): Reason | undefined {
  if (will === undefined) return undefined;
  if (identity !== undefined && will.qos !== 2 && isTelemetryOf(will.topic, identity)) return undefined;
  const wanted = identity === undefined ? 'no will' : `${telemetryPath(identity)}, QoS 0 or 1`;
  return {
    rule: 'will-unsupported',
    text: identity === undefined ? 'DPS takes no will' : 'the will is no telemetry of the device',
    seen: `${will.topic.slice(0, 200)}, QoS ${will.qos ?? 0}`,
    expected: wanted,
    nearest: identity === undefined ? 'the same CONNECT without a will' : `the same will to ${wanted}`,
    remedy: 'send the will to the telemetry topic of the device, or leave it out',
  };
}

function telemetryPath({ deviceId, moduleId }: Identity): string {
  return `devices/${deviceId}${moduleId === undefined ? '' : `/modules/${moduleId}`}/messages/events/`;
}

function isTelemetryOf(topic: string, { deviceId, moduleId }: Identity): boolean {
  try {
    const request = parseHubRequest(topic);
    return (
      request.kind === 'telemetry' &&
      request.moduleId === moduleId &&
      (request.deviceId === deviceId || request.deviceId === encodeURIComponent(deviceId))
    );
  } catch (error) {
    if (isFault(error)) return false;
    throw error;
  }
}
