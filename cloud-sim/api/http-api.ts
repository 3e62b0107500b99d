import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';

/** Answers a request whose handling threw. */
export type AnswerError = (error: unknown, request: FastifyRequest, reply: FastifyReply) => FastifyReply;

/** How an API that speaks JSON is routed. */
export interface JsonApiSettings {
  /** Longest body, bytes. */
  bodyBytes: number;
  answerError: AnswerError;
  /** What a path that nobody answers throws. */
  notFound(request: FastifyRequest): Error;
}

/** A router for an API that speaks JSON: paths ignore case and a slash at their end, a body may be empty. */
export async function jsonApi({ bodyBytes, answerError, notFound }: JsonApiSettings): Promise<FastifyInstance> {
  const { fastify } = await import('fastify');
  const app = fastify({
    // A path that cannot be decoded reaches no route.
    frameworkErrors: answerError,
    bodyLimit: bodyBytes,
    routerOptions: { caseSensitive: false, ignoreTrailingSlash: true, maxParamLength: 400 },
  });
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) =>
    body === '' ? done(null, undefined) : parseJson(request, body, done),
  );
  app.setErrorHandler(answerError);
  app.setNotFoundHandler((request, reply) => answerError(notFound(request), request, reply));
  return app;
}

/**
 * An API as a handler of requests. Most clouds never see a call of an operator: only the first one loads the router.
 * @param segments first segments of the paths that it answers, in lower case
 */
export function lazyApi(
  segments: readonly string[],
  make: () => Promise<FastifyInstance>,
  log: Logger,
): (request: IncomingMessage, response: ServerResponse) => boolean {
  let routes: Promise<FastifyInstance> | undefined;
  return (request, response) => {
    if (!segments.includes(firstSegment(request.url))) return false;
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

function firstSegment(url = ''): string {
  return /^\/([^/?]*)/.exec(url)?.[1]?.toLowerCase() ?? '';
}
