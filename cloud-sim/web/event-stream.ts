import type { FastifyInstance } from 'fastify';
import type { Broadcast } from './broadcast.js';
import { SAFE_HEADERS } from './page-files.js';

/** Most pages that look on at once. */
const MOST_LISTENERS = 32;

/** Adds `GET /api/events`: ticks as server-sent events. Source: HTML standard, 9.2. */
export function addEventStream(app: FastifyInstance, broadcast: Broadcast): void {
  app.get('/api/events', async (request, reply) => {
    if (broadcast.size >= MOST_LISTENERS) {
      return reply.code(503).send({ code: 'TOO_MANY', message: `${MOST_LISTENERS} pages look on already: close one` });
    }
    reply.hijack();
    const { raw } = reply;
    raw.writeHead(200, { ...SAFE_HEADERS, 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' });
    raw.flushHeaders();
    const subscription = broadcast.subscribe((tick) => raw.write(`event: tick\ndata: ${JSON.stringify(tick)}\n\n`));
    raw.on('drain', () => subscription.ready());
    raw.on('error', () => {});
    request.raw.on('close', () => subscription[Symbol.dispose]());
    raw.on('close', () => subscription[Symbol.dispose]());
  });
}
