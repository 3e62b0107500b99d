import type { IncomingMessage, ServerResponse } from 'node:http';
import { hubErrors } from '@zerotouch/azure-wire/errors';
import { unescaped } from '@zerotouch/azure-wire/percent';
import { parseSas } from '@zerotouch/azure-wire/sas';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import { isFault } from '@zerotouch/foundation/fault';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { dpsChoices, hubChoices } from '../../choices.js';
import type { Hub } from '../../hub/hub.js';
import { QueryFault } from '../../hub/query/fault.js';
import { type HubRight, judgeService, rightFlaw } from '../../hub/rights.js';
import { firstSegment, jsonApi, lazyApi, refuseOtherMethods, routerRefusal } from '../http-api.js';
import { readMatch } from '../service/etags.js';
import { badArgument, errorAnswer, HubApiError } from './errors.js';
import { type Call, routes } from './routes.js';
import { throttled } from './throttled.js';

/** First segments of the paths that are a hub's, also where the host is a name of this machine. */
const SEGMENTS = ['devices', 'twins', 'configurations', 'statistics', 'jobs', 'digitaltwins', 'files', 'messages', 'zerotouch'];
const LOCAL = ['localhost', '127.0.0.1'];

/** What the hubs' service API is made of. */
export interface HubServicesParts {
  park: { readonly running: ReadonlyMap<string, Hub> };
  clock: Clock;
  entropy: Entropy;
  log: Logger;
}

/**
 * The service API of every hub (2021-04-12) as a handler of HTTP requests: identities, twins, methods, queries, configurations, statistics, each
 * with its right and a checked SAS; and, under `/zerotouch`, what only the local hub has.
 * Source: Azure's specification file of the hub's service API.
 * @returns takes a request for a hub's host, or says that it is for somebody else
 */
export function hubServices(parts: HubServicesParts): (request: IncomingMessage, response: ServerResponse) => boolean {
  return lazyApi(
    (request) => hubOf(request, parts.park.running) !== undefined,
    () => makeApi(parts),
    parts.log,
  );
}

/** The hub that a request is for: by its host, or, where that is a name of this machine, by the resource of its token. */
export function hubOf({ headers, url }: IncomingMessage, hubs: ReadonlyMap<string, Hub>): Hub | undefined {
  const host = (headers.host ?? '').toLowerCase().replace(/:\d+$/, '');
  const named = hubs.get(host);
  if (named !== undefined || !LOCAL.includes(host)) return named;
  return SEGMENTS.includes(firstSegment(url)) ? hubs.get(signedFor(headers.authorization)) : undefined;
}

function signedFor(authorization: string | undefined): string {
  try {
    return (parseSas(authorization ?? '').resource.split('/')[0] ?? '').toLowerCase();
  } catch (error) {
    if (isFault(error)) return '';
    throw error;
  }
}

async function makeApi(parts: HubServicesParts): Promise<FastifyInstance> {
  const app = await jsonApi({
    bodyBytes: hubChoices.serviceBodyBytes.value,
    otherTypes: ['text/plain'],
    answerError: errorHandler(parts),
    notFound: () => new HubApiError(hubErrors.unknownPath, 'the hub has nothing at this path'),
  });
  for (const { method, url, right, rate, answer } of routes) {
    app.route<{ Params: { id?: string; moduleId?: string } }>({
      method,
      url,
      // Before the body is read: a stranger makes nobody parse it.
      onRequest: async (request) => judge(hubIn(request, parts), request, right, parts),
      handler: async (request, reply) => {
        const hub = hubIn(request, parts);
        if (rate !== undefined) throttled(hub.throttle.take(rate));
        return answer(callOf(hub, request, reply));
      },
    });
  }
  refuseOtherMethods(app, routes, (url, methods) => new HubApiError(hubErrors.methodNotAllowed, `${url} answers ${methods.join(', ')}`));
  await app.ready();
  return app;
}

function hubIn(request: FastifyRequest, { park }: HubServicesParts): Hub {
  const hub = hubOf(request.raw, park.running);
  if (hub === undefined) throw new HubApiError(hubErrors.notFound, 'the hub is gone');
  return hub;
}

function judge(hub: Hub, request: FastifyRequest, right: HubRight, { clock }: HubServicesParts): void {
  // The ids of a token are read decoded, so the path must be, too.
  const wanted = `${hub.host}${unescaped(request.url.split('?', 1)[0] ?? '')}`;
  const principal = judgeService(hub.record, request.headers.authorization, clock.now(), wanted);
  if ('refused' in principal) throw new HubApiError(hubErrors.unauthorized, 'Unauthorized', { reason: principal.refused });
  const flaw = rightFlaw(principal, right);
  if (flaw !== undefined) throw new HubApiError(hubErrors.unauthorizedAccess, 'Unauthorized', { reason: flaw });
  const version = (request.query as Record<string, unknown>)['api-version'];
  const ours = request.url.toLowerCase().startsWith('/zerotouch/');
  if (
    !ours &&
    (typeof version !== 'string' || !/^\d{4}-\d{2}-\d{2}(-preview)?$/.test(version) || version < dpsChoices.oldestApiVersion.value)
  )
    throw badArgument(
      `api-version is missing or not served; known is 2021-04-12, served is ${dpsChoices.oldestApiVersion.value} and later`,
    );
}

function callOf(hub: Hub, request: FastifyRequest<{ Params: { id?: string; moduleId?: string } }>, reply: FastifyReply): Call {
  const { id = '', moduleId } = request.params;
  const gone = new AbortController();
  reply.raw.on('close', () => gone.abort());
  return {
    hub,
    id,
    moduleId,
    body: request.body,
    query: request.query as Record<string, unknown>,
    headers: request.headers,
    match: readMatch(request.headers['if-match']),
    gone: gone.signal,
    reply,
  };
}

function errorHandler({ clock, entropy, log }: HubServicesParts) {
  return (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const known = knownError(error);
    if (known === undefined) log.error({ err: error, url: request.url }, 'a call of the service API of a hub failed');
    const shown = known ?? new HubApiError(hubErrors.serverError, 'the local hub itself failed');
    if (known !== undefined) {
      const { entry, message, reason } = known;
      log.warn(
        { host: request.headers.host, method: request.method, path: request.url.split('?')[0], code: entry.code },
        reason ?? message,
      );
    }
    if (shown.retryAfterSeconds !== undefined) reply.header('retry-after', String(shown.retryAfterSeconds));
    const { status, name, body } = errorAnswer(shown, { clock, entropy });
    return reply.code(status).headers({ 'iothub-errorcode': name }).send(body);
  };
}

function knownError(error: unknown): HubApiError | undefined {
  if (error instanceof HubApiError) return error;
  if (error instanceof QueryFault) return badArgument(error.message);
  const refusal = routerRefusal(error);
  if (refusal === undefined) return undefined;
  if (refusal === 'body too long')
    return new HubApiError(hubErrors.messageTooLarge, `a body has at most ${hubChoices.serviceBodyBytes.value} bytes`);
  if (refusal === 'no JSON type') return new HubApiError(hubErrors.unsupportedMediaType, 'the body is no application/json');
  if (refusal === 'id too long') return badArgument('an id in the path is too long');
  return badArgument(refusal === 'no JSON' ? 'the body is no JSON' : 'the request is malformed');
}
