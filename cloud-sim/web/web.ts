import type { AddressInfo } from 'node:net';
import { type Clock, systemClock } from '@zerotouch/foundation/clock';
import { type Entropy, systemEntropy } from '@zerotouch/foundation/entropy';
import { isFault } from '@zerotouch/foundation/fault';
import { type FastifyError, type FastifyInstance, type FastifyReply, fastify } from 'fastify';
import { type Logger, pino } from 'pino';
import type { Cloud } from '../cloud.js';
import { CloudFault, type CloudFaultCode } from '../faults.js';
import { addApi } from './api.js';
import { Broadcast } from './broadcast.js';
import { addEventStream } from './event-stream.js';
import { Guard } from './guard.js';
import { readPage, SAFE_HEADERS } from './page-files.js';
import type { Problem } from './shapes.js';
import { Watch } from './watch.js';

/** How the web view is opened. */
export interface WebViewOptions {
  cloud: Cloud;
  /** Folder of the built page. */
  page: string;
  /** Loopback TCP port; 0 (the default) takes a free one. */
  port?: number;
  clock?: Clock;
  entropy?: Entropy;
  /** Default: silent. */
  log?: Logger;
}

/** A web view that can be looked at. */
export interface WebView extends AsyncDisposable {
  /** What to open in a browser, with the token behind the `#`, which browsers send to nobody: a secret of whoever may drive the cloud. */
  readonly url: string;
  readonly port: number;
  /** Ends every stream and stops listening. May be called again. */
  close(): Promise<void>;
}

const TOKEN_BYTES = 32;
const BODY_BYTES = 256 * 1024;
/** What a fault is on HTTP; 400 for all others. */
const STATUS: Partial<Record<CloudFaultCode, number>> = {
  UNKNOWN_HUB: 404,
  UNKNOWN_DEVICE: 404,
  NOT_CONNECTED: 409,
  ETAG_MISMATCH: 412,
  NO_ANSWER: 504,
};

/**
 * Serves the web view of a cloud on the loopback address: the page, and the API behind it.
 * @throws CloudFault PAGE_MISSING, PORT_IN_USE
 */
export async function openWebView(options: WebViewOptions): Promise<WebView> {
  const { cloud, page, port = 0, clock = systemClock, entropy = systemEntropy, log = pino({ level: 'silent' }) } = options;
  const files = await readPage(page);
  const token = entropy.bytes(TOKEN_BYTES).toString('base64url');
  const watch = new Watch(cloud.events, clock);
  const broadcast = new Broadcast({ cloud, watch, clock, log });
  const app = fastify({ bodyLimit: BODY_BYTES, forceCloseConnections: true, routerOptions: { maxParamLength: 600 } });
  app.removeContentTypeParser('text/plain');
  let guard: Guard | undefined;
  app.addHook('onRequest', async ({ url, headers }, reply) => {
    reply.headers(SAFE_HEADERS);
    const turned = guard?.judgeAddress(headers) ?? (url.startsWith('/api/') ? guard?.judgeCaller(headers) : undefined);
    if (turned !== undefined) return problem(reply, turned.status, turned);
  });
  app.setErrorHandler((error: FastifyError, _request, reply) => answerError(error, reply, log));
  app.setNotFoundHandler(({ url }, reply) => {
    const file = files.get(url.split('?')[0] ?? '');
    if (file === undefined) return problem(reply, 404, { code: 'NOT_FOUND', message: 'there is nothing here' });
    return reply.headers(file.headers).send(file.body);
  });
  addApi(app, { cloud, watch, clock });
  addEventStream(app, broadcast);
  const close = async (): Promise<void> => {
    watch.close();
    broadcast.close();
    await app.close();
  };
  const actual = await listen(app, port).catch(async (error: unknown) => {
    await close();
    throw error;
  });
  // Before anybody can have a token: nobody has been told the port.
  guard = new Guard({ port: actual, token });
  return { url: `http://127.0.0.1:${actual}/#token=${token}`, port: actual, close, [Symbol.asyncDispose]: close };
}

async function listen(app: FastifyInstance, port: number): Promise<number> {
  try {
    await app.listen({ host: '127.0.0.1', port });
  } catch (cause) {
    throw new CloudFault('PORT_IN_USE', `port ${port} cannot be listened on (${(cause as NodeJS.ErrnoException).code ?? 'unknown'})`, {
      where: `127.0.0.1:${port}`,
      remedy: 'choose another port for the web view, or 0 for a free one',
      cause,
    });
  }
  return (app.server.address() as AddressInfo).port;
}

function answerError(error: FastifyError, reply: FastifyReply, log: Logger): FastifyReply {
  if (isFault(error)) return problem(reply, STATUS[error.code as CloudFaultCode] ?? 400, error);
  const status = error.statusCode ?? 500;
  if (status < 500) return problem(reply, status, { code: 'BAD_REQUEST', message: 'the request is malformed' });
  log.error({ err: error }, 'a request of the web view failed');
  return problem(reply, 500, { code: 'INTERNAL', message: 'the local cloud itself failed; its log says more' });
}

function problem(reply: FastifyReply, status: number, { code, message }: Problem): FastifyReply {
  return reply
    .code(status)
    .header('cache-control', 'no-store')
    .send({ code, message } satisfies Problem);
}
