import type { ServerResponse } from 'node:http';
import type { EventsRequest } from '../../hub/event-stream.js';
import type { Hub } from '../../hub/hub.js';
import type { HubEvent } from '../../hub/telemetry.js';
import { badArgument } from './errors.js';

/** Bytes that may wait for a reader before the stream waits for it. */
const MAX_UNREAD_BYTES = 1024 * 1024;

/** An event as the stream writes it, in JSON. */
export interface StreamedEvent {
  sequenceNumber: number;
  enqueuedTimeUtc: string;
  deviceId: string;
  moduleId?: string;
  /** Base64. */
  body: string;
  systemProperties: Record<string, string>;
  applicationProperties: Record<string, string>;
}

/** What a reader asks for in the query of its URL. @throws HubApiError 400 */
export function readEventsRequest(query: Record<string, unknown>): EventsRequest {
  const { from = 'now', deviceId } = query;
  const start = typeof from === 'string' && /^\d{1,15}$/.test(from) ? Number(from) : from;
  if (start !== 'now' && start !== 'earliest' && typeof start !== 'number')
    throw badArgument('from is none of now, earliest, or a sequence number');
  return { from: start, ...(typeof deviceId === 'string' && deviceId !== '' ? { deviceId } : {}) };
}

/**
 * Streams what devices send as server-sent events, until the reader or the cloud ends it. Source: WHATWG HTML, section 9.2.
 * A reader that comes again names the last event it has in `Last-Event-ID`.
 */
export async function streamEvents(hub: Hub, request: EventsRequest, response: ServerResponse): Promise<void> {
  const ended = new AbortController();
  response.on('close', () => ended.abort());
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' });
  // The reader sees that the stream stands before anything comes.
  response.write(': this hub\n\n');
  for await (const event of hub.events.read({ ...request, signal: ended.signal })) {
    response.write(`id: ${event.sequenceNumber}\nevent: telemetry\ndata: ${JSON.stringify(streamed(event))}\n\n`);
    if (response.writableLength > MAX_UNREAD_BYTES) await drained(response, ended.signal);
  }
  response.end();
}

function streamed({
  sequenceNumber,
  enqueuedTimeUtc,
  deviceId,
  moduleId,
  body,
  systemProperties,
  applicationProperties,
}: HubEvent): StreamedEvent {
  return {
    sequenceNumber,
    enqueuedTimeUtc,
    deviceId,
    ...(moduleId === undefined ? {} : { moduleId }),
    body: body.toString('base64'),
    systemProperties,
    applicationProperties,
  };
}

function drained(response: ServerResponse, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    response.once('drain', resolve);
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
