import { httpStatusOf, type ServiceErrorBody } from '@zerotouch/azure-wire/errors';
import rhea, { type AmqpError, type Message } from 'rhea';
import type { DpsReply } from '../../dps/dps.js';

/** Names in the application properties of requests and replies. Source: Azure's clients. */
const OPERATION_TYPE = 'iotdps-operation-type';
const OPERATION_ID = 'iotdps-operation-id';
/** Clients look for one spelling or the other, in this very case. */
const RETRY_AFTER = ['retry-after', 'Retry-After'];

/** Type code of a data section. Source: AMQP 1.0 (OASIS), part 3.2.6. */
const DATA_SECTION = 0x75;

/** What a device asks DPS for with a message; `undefined` when it is nothing that DPS knows. */
export type AmqpRequest = { kind: 'register'; body: Buffer } | { kind: 'status'; operationId: string };

export function readRequest({ application_properties: properties = {}, body }: Message): AmqpRequest | undefined {
  switch (properties[OPERATION_TYPE]) {
    case 'iotdps-register':
      return { kind: 'register', body: bytesOf(body) };
    case 'iotdps-get-operationstatus': {
      const operationId: unknown = properties[OPERATION_ID];
      return typeof operationId === 'string' && operationId !== '' ? { kind: 'status', operationId } : undefined;
    }
    default:
      return undefined;
  }
}

/** A reply as clients read it: a data section of JSON, tied to its request by the correlation id. */
export function replyMessage({ body, retryAfter }: DpsReply, request: Message): Message {
  return {
    ...(request.correlation_id === undefined ? {} : { correlation_id: request.correlation_id }),
    content_type: 'application/json',
    application_properties: retryProperties(retryAfter),
    body: rhea.message.data_section(Buffer.from(JSON.stringify(body))),
  };
}

/** A refusal as AMQP says it: the condition for libraries, Azure's JSON in the description for the SDKs. */
export function amqpError(body: ServiceErrorBody, retryAfter?: number): AmqpError {
  return {
    condition: conditionOf(httpStatusOf(body.errorCode)),
    description: JSON.stringify(body),
    ...(retryAfter === undefined ? {} : { info: retryProperties(retryAfter) }),
  };
}

function conditionOf(status: number): string {
  switch (status) {
    case 401:
    case 403:
      return 'amqp:unauthorized-access';
    case 404:
      return 'amqp:not-found';
    case 405:
      return 'amqp:not-allowed';
    case 413:
      return 'amqp:link:message-size-exceeded';
    case 429:
      return 'com.microsoft:device-container-throttled';
    default:
      return status >= 500 ? 'amqp:internal-error' : 'com.microsoft:argument-error';
  }
}

// As text: clients that parse it get the same from a number, but one takes a number 0 for absent.
function retryProperties(retryAfter: number | undefined): Record<string, string> {
  return retryAfter === undefined ? {} : Object.fromEntries(RETRY_AFTER.map((name) => [name, String(retryAfter)]));
}

/** The bytes of a body, whatever its section. */
export function bytesOf(body: unknown): Buffer {
  if (body === undefined || body === null) return Buffer.alloc(0);
  if (Buffer.isBuffer(body)) return body;
  if (typeof body === 'string') return Buffer.from(body);
  const sections = dataSections(body);
  return sections === undefined ? Buffer.from(JSON.stringify(body)) : Buffer.concat(sections);
}

/** The data sections that a body is made of, or `undefined` when it is of another kind. */
export function dataSections(body: unknown): Buffer[] | undefined {
  if (typeof body !== 'object' || body === null) return undefined;
  const { typecode, content } = body as { typecode?: unknown; content?: unknown };
  const sections = [content].flat();
  return typecode === DATA_SECTION && sections.every((part): part is Buffer => Buffer.isBuffer(part)) ? sections : undefined;
}
