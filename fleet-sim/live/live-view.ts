import { Guard } from '@zerotouch/cloud-sim/web/guard';
import { readPage, SAFE_HEADERS } from '@zerotouch/cloud-sim/web/page-files';
import { type Entropy, systemEntropy } from '@zerotouch/foundation/entropy';
import { type FastifyReply, fastify } from 'fastify';
import { z } from 'zod';
import { listenOn } from './listen.js';
import type { FleetWatch } from './watch.js';

/** A live view that can be looked at. */
export interface LiveView extends AsyncDisposable {
  /** What to open in a browser, with the token behind the `#`: a secret of whoever may steer the fleet. */
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

/** Milliseconds between two ticks. */
const TICK_MS = 500;
const MOST_LISTENERS = 32;
const TOKEN_BYTES = 32;
const FLEET_PAGE = '/fleet.html';

const seconds = z.number().min(0.1).max(86_400);
const order = z.discriminatedUnion('order', [
  z.strictObject({ order: z.enum(['pause', 'resume']) }),
  z.strictObject({ order: z.literal('cut'), share: z.number().gt(0).max(1), seconds }),
  z.strictObject({ order: z.literal('region'), region: z.string().min(1), seconds }),
]);

/**
 * Serves the live view of a fleet on the loopback address: the page, a stream of its figures, and the way to steer it. Other pages of the browser
 * cannot use it: the host, the origin and a token are looked at, as those of the cloud's web view are.
 * @param page folder of the built pages
 * @throws FleetFault PORT_IN_USE; CloudFault PAGE_MISSING
 */
export async function openLiveView({
  watch,
  page,
  port = 0,
  entropy = systemEntropy,
}: {
  watch: FleetWatch;
  page: string;
  port?: number;
  entropy?: Entropy;
}): Promise<LiveView> {
  const files = await readPage(page);
  const token = entropy.bytes(TOKEN_BYTES).toString('base64url');
  const app = fastify({ bodyLimit: 4096, forceCloseConnections: true });
  let guard: Guard | undefined;
  const problem = (reply: FastifyReply, status: number, code: string, message: string): FastifyReply =>
    reply.code(status).header('cache-control', 'no-store').send({ code, message });
  app.addHook('onRequest', async ({ url, headers }, reply) => {
    reply.headers(SAFE_HEADERS);
    const turned = guard?.judgeAddress(headers) ?? (url.startsWith('/api/') ? guard?.judgeCaller(headers) : undefined);
    if (turned !== undefined) return problem(reply, turned.status, turned.code, turned.message);
  });
  app.setErrorHandler(async (_error, _request, reply) => problem(reply, 400, 'BAD_REQUEST', 'the request is malformed'));
  app.setNotFoundHandler(async ({ url }, reply) => {
    const path = url.split('?')[0] ?? '';
    const file = files.get(path === '/' ? FLEET_PAGE : path);
    if (file === undefined) return problem(reply, 404, 'NOT_FOUND', 'there is nothing here');
    return reply.headers(file.headers).send(file.body);
  });
  const listeners = new Set<(tick: string) => void>();
  app.get('/api/events', async (request, reply) => {
    if (listeners.size >= MOST_LISTENERS) return problem(reply, 503, 'TOO_MANY', `${MOST_LISTENERS} pages look on already: close one`);
    reply.hijack();
    const { raw } = reply;
    raw.writeHead(200, { ...SAFE_HEADERS, 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' });
    let isFull = false;
    const send = (tick: string): void => {
      // Who reads too slowly misses ticks, not the newest one.
      if (!isFull) isFull = !raw.write(`event: tick\ndata: ${tick}\n\n`);
    };
    raw.on('drain', () => {
      isFull = false;
    });
    raw.on('error', () => undefined);
    raw.on('close', () => listeners.delete(send));
    request.raw.on('close', () => listeners.delete(send));
    listeners.add(send);
    send(JSON.stringify(watch.tick));
  });
  app.post('/api/orders', async ({ body }, reply) => {
    const parsed = order.safeParse(body);
    if (!parsed.success) return problem(reply, 400, 'BAD_ORDER', parsed.error.issues[0]?.message ?? 'this is no order');
    if (parsed.data.order === 'region' && !watch.tick.regions.includes(parsed.data.region)) {
      return problem(reply, 404, 'UNKNOWN_REGION', 'the spec of this fleet has no such region');
    }
    if (!watch.steer(parsed.data)) return problem(reply, 409, 'NOT_YET', 'the fleet is not powered on yet');
    return reply.header('cache-control', 'no-store').send({ done: true });
  });
  const timer = setInterval(() => {
    if (listeners.size === 0) return;
    const tick = JSON.stringify(watch.tick);
    for (const send of listeners) send(tick);
  }, TICK_MS);
  const close = async (): Promise<void> => {
    clearInterval(timer);
    await app.close();
  };
  const actual = await listenOn(app, port, 'the live view').catch(async (error: unknown) => {
    await close();
    throw error;
  });
  guard = new Guard({ port: actual, token });
  return { url: `http://127.0.0.1:${actual}/#token=${token}`, port: actual, close, [Symbol.asyncDispose]: close };
}
