import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify';
import type { Logger } from 'pino';

const METHODS: readonly HTTPMethods[] = ['GET', 'PUT', 'POST', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS'];

/** Answers a request whose handling threw. */
export type AnswerError = (error: unknown, request: FastifyRequest, reply: FastifyReply) => FastifyReply;

/** How an API that speaks JSON is routed. */
export interface JsonApiSettings {
  /** Longest body, bytes. */
  bodyBytes: number;
  /** What JSON is declared as besides `application/json`. Default: nothing. */
  otherTypes?: readonly string[];
  /** Whether several slashes in a path count as one. Default: they do not. */
  ignoresEmptySegments?: boolean;
  answerError: AnswerError;
  /** What a path that nobody answers throws. */
  notFound(request: FastifyRequest): Error;
}

/** A router for an API that speaks JSON: paths ignore case and a slash at their end, a body may be empty. */
export async function jsonApi({
  bodyBytes,
  otherTypes = [],
  ignoresEmptySegments = false,
  answerError,
  notFound,
}: JsonApiSettings): Promise<FastifyInstance> {
  const { fastify } = await import('fastify');
  const app = fastify({
    // A path that cannot be decoded reaches no route.
    frameworkErrors: answerError,
    bodyLimit: bodyBytes,
    routerOptions: { caseSensitive: false, ignoreTrailingSlash: true, ignoreDuplicateSlashes: ignoresEmptySegments, maxParamLength: 400 },
  });
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<string>(['application/json', ...otherTypes], { parseAs: 'string' }, (request, body, done) =>
    body === '' ? done(null, undefined) : parseJson(request, body, done),
  );
  app.setErrorHandler(answerError);
  app.setNotFoundHandler((request, reply) => answerError(notFound(request), request, reply));
  return app;
}

/** Answers the other methods of every path that is routed by some. @param refusal what they throw; `methods`: those that there are */
export function refuseOtherMethods(
  app: FastifyInstance,
  routes: readonly { method: HTTPMethods; url: string }[],
  refusal: (url: string, methods: readonly string[]) => Error,
): void {
  const served = new Map<string, HTTPMethods[]>();
  for (const { method, url } of routes) served.set(url, [...(served.get(url) ?? []), method]);
  for (const [url, methods] of served) {
    const others = METHODS.filter((method) => !methods.includes(method) && !(method === 'HEAD' && methods.includes('GET')));
    app.route({
      method: [...others],
      url,
      handler: async () => {
        throw refusal(url, methods);
      },
    });
  }
}

/** What the router itself finds wrong with a request, before anybody is asked. */
export type RouterRefusal = 'body too long' | 'no JSON type' | 'id too long' | 'no JSON' | 'malformed';

/** Whether an error is the router's own. Its messages are not repeated: they may quote the body, and bodies hold keys. */
export function routerRefusal(error: unknown): RouterRefusal | undefined {
  const { statusCode, code } = error as { statusCode?: unknown; code?: unknown };
  if (statusCode === 413) return 'body too long';
  if (statusCode === 415) return 'no JSON type';
  if (statusCode === 414) return 'id too long';
  if (typeof statusCode !== 'number' || statusCode < 400 || statusCode > 499) return undefined;
  return code === 'FST_ERR_CTP_INVALID_JSON_BODY' ? 'no JSON' : 'malformed';
}

/**
 * An API as a handler of requests. Most clouds never see a call of an operator: only the first one loads the router.
 * @param isOurs whether a request is for it
 */
export function lazyApi(
  isOurs: (request: IncomingMessage) => boolean,
  make: () => Promise<FastifyInstance>,
  log: Logger,
): (request: IncomingMessage, response: ServerResponse) => boolean {
  let routes: Promise<FastifyInstance> | undefined;
  return (request, response) => {
    if (!isOurs(request)) return false;
    routes ??= make();
    routes.then(
      (app) => app.routing(request, response),
      (error: unknown) => {
        log.error({ err: error }, 'an API cannot be started');
        response.destroy();
      },
    );
    return true;
  };
}

/** Tells requests by the first segments of their paths, given in lower case. */
export function byFirstSegment(segments: readonly string[]): (request: IncomingMessage) => boolean {
  return ({ url }) => segments.includes(firstSegment(url));
}

/** In lower case. */
export function firstSegment(url = ''): string {
  return /^\/([^/?]*)/.exec(url)?.[1]?.toLowerCase() ?? '';
}
