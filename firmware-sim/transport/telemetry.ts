import { hubLimits } from '@zerotouch/azure-wire/limits';
import type { JsonObject } from '@zerotouch/azure-wire/twin';
import type { Failure } from '../boot/ports.js';
import { invalid } from './evidence.js';

/** What the body of a message is, as a hub's routes read it. */
export const CONTENT = { type: 'application/json', encoding: 'utf-8' } as const;

/** The same as a property bag at the end of the topic. Source: iot-mqtt-connect-to-iot-hub, "Sending device-to-cloud messages". */
export const TELEMETRY_PROPERTIES = `%24.ct=${encodeURIComponent(CONTENT.type)}&%24.ce=${CONTENT.encoding}`;

/** A message as text, or `invalid` when a hub would close the connection over its size. */
export function encodeTelemetry(message: JsonObject): { readonly outcome: 'encoded'; readonly text: string } | Failure {
  const text = JSON.stringify(message);
  const bytes = Buffer.byteLength(text);
  const { value } = hubLimits.telemetryBytes;
  return bytes > value ? invalid(`a message of ${bytes} bytes is larger than a hub takes (${value})`) : { outcome: 'encoded', text };
}
