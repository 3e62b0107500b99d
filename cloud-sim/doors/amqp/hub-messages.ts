import { hubErrors, type ServiceErrorEntry } from '@zerotouch/azure-wire/errors';
import rhea, { type AmqpError, type Message } from 'rhea';
import { plainRecord, type Telemetry } from '../../hub/telemetry.js';
import type { QueuedMessage } from '../../store/store.js';
import { decodedMessage } from './library.js';
import { bytesOf, dataSections } from './messages.js';

/** Properties of an AMQP message that are the hub's system properties. Source: AMQP 1.0 (OASIS), part 3.2.4. */
const PROPERTIES = [
  'message_id',
  'correlation_id',
  'user_id',
  'to',
  'content_type',
  'content_encoding',
  'absolute_expiry_time',
  'creation_time',
] as const;

/** Annotations by which clients set more of them, and the names that consumers read. Source: Azure's clients. */
const ANNOTATIONS: Readonly<Record<string, string>> = {
  'iothub-interface-id': 'iothub-interface-id',
  'iothub-outputname': 'iothub-outputname',
  'x-opt-output-name': 'iothub-outputname',
  'iothub-creation-time-utc': 'iothub-creation-time-utc',
  'dt-subject': 'dt-subject',
  'dt-dataschema': 'dt-dataschema',
};

/** Format of a message that holds others, each in a data section. Source: Azure's clients in C and .NET. */
export const BATCH_FORMAT = 0x80013700;

/** A device-to-cloud message as AMQP carries it. */
export function telemetryIn(message: Message): Telemetry {
  const system = plainRecord();
  for (const name of PROPERTIES) {
    const text = textOf((message as unknown as Record<string, unknown>)[name]);
    if (text !== undefined) system[name] = text;
  }
  for (const [annotation, name] of Object.entries(ANNOTATIONS)) {
    const text = textOf(message.message_annotations?.[annotation]);
    if (text !== undefined) system[name] = text;
  }
  return { body: bytesOf(message.body), system, properties: applicationProperties(message) };
}

/** The messages in one, which may be a batch; `undefined` for a batch that cannot be read. @param format of the delivery */
export function unbatched(message: Message, format: number | undefined): Message[] | undefined {
  if (format !== BATCH_FORMAT) return [message];
  const parts = dataSections(message.body);
  if (parts === undefined || parts.length === 0) return undefined;
  const messages = parts.map(decodedMessage);
  return messages.every((one) => one !== undefined) ? messages : undefined;
}

export function applicationProperties({ application_properties: given = {} }: Message): Record<string, string> {
  const properties = plainRecord();
  for (const [name, value] of Object.entries(given)) {
    const text = textOf(value);
    if (text !== undefined) properties[name] = text;
  }
  return properties;
}

/** A cloud-to-device message as it goes to the device. */
export function messageOut({ body, system, properties, ack, sequence, enqueued, deliveryCount, expires }: QueuedMessage): Message {
  const { absolute_expiry_time: _, creation_time: __, user_id: ___, ...texts } = system;
  return {
    ...texts,
    absolute_expiry_time: new Date(expires),
    header: { delivery_count: deliveryCount },
    message_annotations: { 'x-opt-sequence-number': sequence, 'x-opt-enqueued-time': rhea.types.wrap_timestamp(enqueued) },
    application_properties: { ...properties, ...(ack === 'none' ? {} : { 'iothub-ack': ack }) },
    body: rhea.message.data_section(Buffer.from(body, 'base64')),
  } as unknown as Message;
}

/** The id that ties an answer to its question, as text: clients write a GUID as one, or as its sixteen bytes. */
export function correlationOf({ correlation_id: id }: Message): string | undefined {
  return textOf(id);
}

/** A refusal as AMQP says it. Source: azure-iot-sdk-csharp, IotHubAmqpErrorCode. */
export function hubAmqpError({ code, message: name }: ServiceErrorEntry, text: string): AmqpError {
  return { condition: CONDITIONS.get(code) ?? 'amqp:internal-error', description: `ErrorCode:${name};${text}` };
}

const CONDITIONS = new Map<number, string>([
  [hubErrors.unauthorized.code, 'amqp:unauthorized-access'],
  [hubErrors.unauthorizedAccess.code, 'amqp:unauthorized-access'],
  [hubErrors.deviceDisabled.code, 'amqp:unauthorized-access'],
  [hubErrors.notFound.code, 'com.microsoft:iot-hub-not-found-error'],
  [hubErrors.deviceNotFound.code, 'amqp:not-found'],
  [hubErrors.moduleNotFound.code, 'amqp:not-found'],
  [hubErrors.argumentInvalid.code, 'com.microsoft:argument-error'],
  [hubErrors.queueFull.code, 'amqp:resource-limit-exceeded'],
  [hubErrors.messageTooLarge.code, 'amqp:link:message-size-exceeded'],
  [hubErrors.throttled.code, 'com.microsoft:device-container-throttled'],
  [hubErrors.notSupported.code, 'amqp:not-implemented'],
  [hubErrors.lockLost.code, 'com.microsoft:message-lock-lost'],
]);

/** What AMQP carries in many types, as text. */
export function textOf(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (Buffer.isBuffer(value)) return value.length === 16 ? rhea.uuid_to_string(value) : value.toString('utf8');
  if (value instanceof Date) return value.toISOString();
  if (typeof value === 'object') return JSON.stringify(value);
  return String(value);
}
