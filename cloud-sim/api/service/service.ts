import type { IncomingMessage, ServerResponse } from 'node:http';
import { dpsErrors, errorBody, httpStatusOf } from '@zerotouch/azure-wire/errors';
import { canonicalRegistrationId } from '@zerotouch/azure-wire/ids';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify';
import type { Logger } from 'pino';
import { dpsChoices } from '../../choices.js';
import type { Enrolments } from '../../dps/enrolments.js';
import type { Throttle } from '../../dps/throttle.js';
import type { ServiceRight, Store } from '../../store/store.js';
import { guid } from '../../unique.js';
import { byFirstSegment, jsonApi, lazyApi, refuseOtherMethods, routerRefusal } from '../http-api.js';
import { serviceChoices } from './choices.js';
import { enrolmentKinds } from './enrolment-kinds.js';
import { deleteEnrolment, getEnrolment, getMechanism, putEnrolment, queryEnrolments, runBulk } from './enrolment-operations.js';
import { badRequest, ServiceError, serviceErrorOf } from './errors.js';
import { readMatch } from './etags.js';
import type { FoundPage, PageWish } from './pages.js';
import { deleteRegistration, getRegistration, queryRegistrations } from './registration-operations.js';
import { authorise } from './rights.js';

/** First segments of the paths that this service answers; `zerotouch` holds what Azure does not have. */
const SEGMENTS = ['enrollments', 'enrollmentgroups', 'registrations', 'zerotouch'];

/** What the service API is made of. */
export interface ServiceParts {
  /** Names that it answers to, without ports. */
  hosts: readonly string[];
  store: Store;
  enrolments: Enrolments;
  clock: Clock;
  entropy: Entropy;
  log: Logger;
  /** Counts the calls of operators; absent: as many as they like. */
  throttle?: Pick<Throttle, 'operation'>;
}

/**
 * The DPS service API (2021-10-01) as a handler of HTTP requests: enrolments, groups, registrations, bulk, queries, attestation mechanisms,
 * each with its right and a checked SAS; and, under `/zerotouch`, what only the local cloud has.
 * Source: Azure's specification file of the DPS service API.
 * @returns takes a request, or says that it is for somebody else
 */
export function dpsService(parts: ServiceParts): (request: IncomingMessage, response: ServerResponse) => boolean {
  return lazyApi(byFirstSegment(SEGMENTS), () => makeRoutes(parts), parts.log);
}

interface Call {
  id: string;
  body: unknown;
  request: FastifyRequest;
}

async function makeRoutes(parts: ServiceParts): Promise<FastifyInstance> {
  const { store, enrolments } = parts;
  const app = await jsonApi({
    bodyBytes: serviceChoices.bodyBytes.value,
    answerError: errorAnswer(parts),
    notFound: () => new ServiceError(serviceChoices.unknownPath.value),
  });

  const routed: { method: HTTPMethods; url: string }[] = [];
  const route = (method: HTTPMethods, url: string, right: ServiceRight, answer: (call: Call, reply: FastifyReply) => Promise<unknown>) => {
    routed.push({ method, url });
    app.route<{ Params: { id?: string } }>({
      method,
      url,
      // Before the body is read: a stranger makes nobody parse it.
      onRequest: (request) => judge(request, right, parts),
      handler: (request, reply) => answer({ id: request.params.id ?? '', body: request.body, request }, reply),
    });
  };
  const found = (reply: FastifyReply, itemType: string, { items, size, continuation }: FoundPage<object>): object[] => {
    reply.headers({ 'x-ms-item-type': itemType, 'x-ms-max-item-count': String(size) });
    if (continuation !== undefined) reply.header('x-ms-continuation', continuation);
    return items;
  };

  for (const kind of enrolmentKinds(store, enrolments)) {
    const base = `/${kind.plural}`;
    route('GET', `${base}/:id`, 'EnrollmentRead', ({ id }) => getEnrolment(kind, id));
    route('PUT', `${base}/:id`, 'EnrollmentWrite', ({ id, body, request }) => putEnrolment(kind, id, body, matchOf(request)));
    route('DELETE', `${base}/:id`, 'EnrollmentWrite', async ({ id, request }, reply) => {
      await deleteEnrolment(kind, id, matchOf(request));
      return reply.code(204).send();
    });
    route('POST', base, 'EnrollmentWrite', ({ body }) => runBulk(kind, body));
    route('POST', `${base}/query`, 'EnrollmentRead', async ({ body, request }, reply) =>
      found(reply, kind.itemType, await queryEnrolments(kind, body, wishOf(request))),
    );
    route('POST', `${base}/:id/attestationmechanism`, 'EnrollmentRead', ({ id }) => getMechanism(kind, id));
  }
  route('GET', '/registrations/:id', 'RegistrationStatusRead', ({ id }) => getRegistration(store, id));
  route('DELETE', '/registrations/:id', 'RegistrationStatusWrite', async ({ id, request }, reply) => {
    await deleteRegistration(store, id, matchOf(request));
    return reply.code(204).send();
  });
  route('POST', '/registrations/:id/query', 'RegistrationStatusRead', async ({ id, body, request }, reply) =>
    found(reply, 'DeviceRegistration', await queryRegistrations(store, id, body, wishOf(request))),
  );
  route('GET', '/zerotouch/attempts/:id', 'RegistrationStatusRead', async ({ id }) => ({
    attempts: await store.attempts.list(canonicalRegistrationId(id)),
  }));

  refuseOtherMethods(app, routed, () => new ServiceError(serviceChoices.methodNotAllowed.value));
  await app.ready();
  return app;
}

async function judge(request: FastifyRequest, right: ServiceRight, { hosts, store, clock, throttle }: ServiceParts): Promise<void> {
  const { authorization } = request.headers;
  await authorise({ authorization, right, hosts, now: clock.now() }, (name) => store.policies.get(name));
  // After the right: strangers do not use up what operators are allowed.
  const throttled = throttle?.operation();
  if (throttled !== undefined) {
    throw new ServiceError(dpsErrors.throttled, undefined, throttled.reason.text, throttled.retryAfterSeconds);
  }
  const version = (request.query as Record<string, unknown>)['api-version'];
  if (typeof version !== 'string' || !/^\d{4}-\d{2}-\d{2}(-preview)?$/.test(version) || version < dpsChoices.oldestApiVersion.value) {
    throw badRequest(`api-version is missing or not served; known is 2021-10-01, served is ${dpsChoices.oldestApiVersion.value} and later`);
  }
}

function errorAnswer({ clock, entropy, log }: ServiceParts) {
  return (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const known = serviceErrorOf(error) ?? clientError(error);
    if (known === undefined) log.error({ err: error, url: request.url }, 'a call of the service API failed');
    const { entry, message, reason } = known ?? new ServiceError(dpsErrors.internal);
    if (known !== undefined) log.warn({ method: request.method, path: request.url.split('?')[0], code: entry.code }, reason ?? message);
    if (known?.retryAfterSeconds !== undefined) reply.header('retry-after', String(known.retryAfterSeconds));
    const body = errorBody(entry, guid(entropy), clock.now(), message);
    return reply
      .code(httpStatusOf(entry.code))
      .headers({ 'x-ms-error-code': String(entry.code), 'x-ms-request-id': body.trackingId })
      .send(body);
  };
}

function clientError(error: unknown): ServiceError | undefined {
  const refusal = routerRefusal(error);
  if (refusal === undefined) return undefined;
  if (refusal === 'body too long') return new ServiceError(dpsErrors.payloadTooLarge);
  if (refusal === 'no JSON type') return new ServiceError(serviceChoices.unsupportedMediaType.value);
  if (refusal === 'id too long') return badRequest('the id in the path is too long');
  return badRequest(refusal === 'no JSON' ? 'the body is no JSON' : 'the request is malformed');
}

function matchOf(request: FastifyRequest): ReturnType<typeof readMatch> {
  return readMatch(request.headers['if-match']);
}

function wishOf({ headers }: FastifyRequest): PageWish {
  const text = (name: string): string | undefined => {
    const value = headers[name];
    return Array.isArray(value) ? value[0] : value;
  };
  return { maxItems: text('x-ms-max-item-count'), continuation: text('x-ms-continuation') };
}
