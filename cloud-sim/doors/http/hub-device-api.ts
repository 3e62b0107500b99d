import type { IncomingMessage, ServerResponse } from 'node:http';
import { httpStatusOf, hubErrors, timestampUtc } from '@zerotouch/azure-wire/errors';
import { parseJson } from '@zerotouch/azure-wire/json';
import { hubLimits } from '@zerotouch/azure-wire/limits';
import { isJsonObject } from '@zerotouch/azure-wire/twin';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import type { Logger } from 'pino';
import { errorAnswer, HubApiError } from '../../api/hub/errors.js';
import { hubOf } from '../../api/hub/service.js';
import { Dropped } from '../../behaviours/behaviour.js';
import type { Hub } from '../../hub/hub.js';
import type { LockedMessage, Settlement } from '../../hub/messages.js';
import type { HubSession } from '../../hub/session.js';
import { plainRecord, type Telemetry } from '../../hub/telemetry.js';
import { isSecured } from '../channel.js';
import type { HttpHandler } from '../https.js';
import { hubRefusal } from '../hub-refusal.js';
import { presentedCertificate } from '../presented.js';
import { readBody } from './body.js';

/** Type of a body that holds many messages. */
const BATCH = 'application/vnd.microsoft.iothub.json';
const APP = 'iothub-app-';

/** Headers of a message, in lower case, and the names that consumers read. Source: Azure's clients. */
const SYSTEM: Readonly<Record<string, string>> = {
  'iothub-messageid': 'message_id',
  'iothub-correlationid': 'correlation_id',
  'iothub-userid': 'user_id',
  'iothub-to': 'to',
  'iothub-expiry': 'absolute_expiry_time',
  'iothub-contenttype': 'content_type',
  'iothub-contentencoding': 'content_encoding',
  'iothub-interface-id': 'iothub-interface-id',
  'dt-subject': 'dt-subject',
};

/** What the hub's device API works with. */
export interface HubDeviceApiParts {
  park: { readonly running: ReadonlyMap<string, Hub> };
  clock: Clock;
  entropy: Entropy;
  log: Logger;
}

/** What a device asks its hub for. */
interface Target {
  deviceId: string;
  method: string;
  /** Behind the device id, in lower case but for a lock token. */
  rest: readonly string[];
  query: URLSearchParams;
}

/** The device API of the hubs over HTTPS: telemetry, messages to the device. Source: azure-iot-device-http. */
export function hubDeviceApi({ park, clock, entropy, log }: HubDeviceApiParts): HttpHandler {
  return (request, response) => {
    const target = readTarget(request);
    const hub = target === undefined ? undefined : hubOf(request, park.running);
    if (target === undefined || hub === undefined) return false;
    void serve(hub, target, request, response).catch((error: unknown) => {
      if (error instanceof Dropped) return void response.destroy();
      const known = error instanceof HubApiError ? error : undefined;
      if (known === undefined) log.error({ err: error }, 'a request of a device could not be handled');
      if (response.headersSent) response.destroy();
      else refuse(response, known ?? new HubApiError(hubErrors.serverError, 'the local hub itself failed'));
    });
    return true;
  };

  async function serve(hub: Hub, target: Target, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(request, hubLimits.telemetryBytes.value * 2);
    if (body === undefined) return;
    // What is left of a body that is too long is not read: the connection cannot go on.
    if (!request.complete) response.shouldKeepAlive = false;
    const session = await signIn(hub, target, request);
    const [kind, what, lockToken, verb] = target.rest;
    if (kind === 'files')
      throw new HubApiError(
        hubErrors.notSupported,
        'file upload is not supported by the local hub: send the content as messages, or to a storage of your own',
      );
    if (what === 'events' && target.method === 'POST') {
      await take(session, messagesIn(request, body));
      response.writeHead(204).end();
      return;
    }
    if (what !== 'devicebound') throw new HubApiError(hubErrors.methodNotAllowed, `${target.method} is not answered here`);
    if (lockToken === undefined) return deliver(await session.receive(), response);
    const how: Settlement = verb === 'abandon' ? 'abandon' : target.query.has('reject') ? 'reject' : 'complete';
    if (!(await session.settle(lockToken, how))) throw new HubApiError(hubErrors.lockLost, 'the lock of the message is not good any more');
    response.writeHead(204).end();
  }

  async function signIn(hub: Hub, { deviceId, query }: Target, request: IncomingMessage): Promise<HubSession> {
    const { socket, headers } = request;
    const certificate = isSecured(socket) ? presentedCertificate(socket) : undefined;
    const opened = await hub.open(
      {
        transport: 'http',
        deviceId,
        moduleId: undefined,
        apiVersion: query.get('api-version') ?? undefined,
        clientId: undefined,
        password: headers.authorization,
        certificate,
      },
      (reason) => {
        if (reason === undefined) return { status: 200 };
        const { code } = hubRefusal(reason.rule);
        return { status: httpStatusOf(code), errorCode: code };
      },
    );
    if ('session' in opened) return opened.session;
    const { reason, retryAfterSeconds } = opened;
    const entry = hubRefusal(reason.rule);
    const message = entry === hubErrors.throttled ? 'Operations are being throttled' : 'Unauthorized';
    throw new HubApiError(entry, message, { reason: reason.text, ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) });
  }

  async function take(session: HubSession, messages: readonly Telemetry[]): Promise<void> {
    const problem = await session.telemetry(messages);
    if (problem === undefined) return;
    const { entry, text, retryAfterSeconds } = problem;
    throw new HubApiError(entry, text, retryAfterSeconds === undefined ? {} : { retryAfterSeconds });
  }

  function refuse(response: ServerResponse, error: HubApiError): void {
    const { status, name, body } = errorAnswer(error, { clock, entropy });
    const text = JSON.stringify(body);
    response.writeHead(status, {
      'content-type': 'application/json; charset=utf-8',
      'content-length': Buffer.byteLength(text),
      'iothub-errorcode': name,
      ...(error.retryAfterSeconds === undefined ? {} : { 'retry-after': String(error.retryAfterSeconds) }),
    });
    response.end(text);
  }
}

function readTarget({ url = '', method = '' }: IncomingMessage): Target | undefined {
  const [path = '', query = ''] = url.split('?', 2);
  const [before, devices, id, kind, what, ...more] = path.split('/');
  if (before !== '' || devices?.toLowerCase() !== 'devices' || id === undefined || kind === undefined) return undefined;
  const rest = [kind.toLowerCase(), ...(what === undefined ? [] : [what.toLowerCase()]), ...more];
  const isMessages = rest[0] === 'messages' && (rest[1] === 'events' || rest[1] === 'devicebound');
  if (!isMessages && rest[0] !== 'files') return undefined;
  // Without a lock token this is an operator's, who empties the queue.
  if (rest[1] === 'devicebound' && rest.length === 2 && method === 'DELETE') return undefined;
  try {
    return { deviceId: decodeURIComponent(id), method, rest, query: new URLSearchParams(query) };
  } catch {
    return undefined;
  }
}

function messagesIn({ headers }: IncomingMessage, body: Buffer): Telemetry[] {
  if (!headers['content-type']?.toLowerCase().startsWith(BATCH)) return [{ body, ...sortHeaders(headers) }];
  const items = parseJson(body);
  if (!Array.isArray(items)) throw new HubApiError(hubErrors.argumentInvalid, 'the body is no list of messages');
  return items.map((item) => {
    if (!isJsonObject(item) || typeof item.body !== 'string')
      throw new HubApiError(hubErrors.argumentInvalid, 'an item of the body is no message: an object with a body in base64');
    const named = isJsonObject(item.properties) ? Object.entries(item.properties) : [];
    const properties = Object.fromEntries(named.map(([name, value]) => [name.toLowerCase(), String(value)]));
    // Azure's clients write base64; `base64Encoded: false` says that the text is the body.
    const bytes = item.base64Encoded === false ? Buffer.from(item.body) : Buffer.from(item.body, 'base64');
    return { body: bytes, ...sortHeaders(properties) };
  });
}

function sortHeaders(headers: Record<string, string | string[] | undefined>): Omit<Telemetry, 'body'> {
  const [system, properties] = [plainRecord(), plainRecord()];
  for (const [name, value] of Object.entries(headers)) {
    const text = Array.isArray(value) ? value.join(', ') : value;
    if (text === undefined) continue;
    if (name.startsWith(APP)) properties[name.slice(APP.length)] = text;
    else if (Object.hasOwn(SYSTEM, name)) system[SYSTEM[name] as string] = text;
  }
  return { system, properties };
}

function deliver(locked: LockedMessage | undefined, response: ServerResponse): void {
  if (locked === undefined) {
    response.writeHead(204).end();
    return;
  }
  const { lockToken, message } = locked;
  const { system, properties, ack, sequence, enqueued, expires, deliveryCount } = message;
  const names = Object.entries(SYSTEM).flatMap(([header, name]) => (system[name] === undefined ? [] : [[header, system[name]]]));
  const bytes = Buffer.from(message.body, 'base64');
  response.writeHead(200, {
    ...Object.fromEntries(Object.entries(properties).map(([name, value]) => [APP + name, value])),
    ...Object.fromEntries(names),
    'iothub-expiry': timestampUtc(expires),
    'iothub-sequencenumber': String(sequence),
    'iothub-enqueuedtime': timestampUtc(enqueued),
    'iothub-deliverycount': String(deliveryCount),
    ...(ack === 'none' ? {} : { 'iothub-ack': ack }),
    etag: `"${lockToken}"`,
    'content-length': bytes.length,
  });
  response.end(bytes);
}
