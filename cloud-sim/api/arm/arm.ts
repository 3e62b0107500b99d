import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { DpsPark } from '../../dps/park.js';
import type { HubPark } from '../../hub/park.js';
import type { LimitValues } from '../../limits.js';
import type { PrincipalRecord, Store } from '../../store/store.js';
import { guid } from '../../unique.js';
import { byFirstSegment, jsonApi, lazyApi } from '../http-api.js';
import { certificateRoutes } from './certificates.js';
import { armChoices } from './choices.js';
import { type ArmError, armErrorOf, managerError } from './errors.js';
import { groupRoutes } from './group-routes.js';
import { ResourceGroups } from './groups.js';
import { HUB_TYPE, hubOf } from './hub-names.js';
import { hubRoutes } from './hubs.js';
import { Operations } from './operations.js';
import { originOf } from './origin.js';
import { operationsRoute } from './provider-operations.js';
import { resourceRoutes } from './resource-routes.js';
import { type ArmCall, type ArmRoute, PROVIDER } from './route.js';
import { SERVICE_TYPE, serviceOf, serviceRoutes } from './services.js';
import { mountSignIn, signInFlaw } from './sign-in.js';
import { Tokens } from './tokens.js';
import { unservedRoutes } from './unserved.js';

/** First segments of the paths that the resource manager and its sign-in answer. */
const SEGMENTS = ['subscriptions', 'tenants', 'providers', 'metadata', 'adfs'];
/** A resource with fifty linked hubs is far below this. */
const BODY_BYTES = 1024 * 1024;

/** What the resource manager works with. */
export interface ArmParts {
  store: Store;
  dps: DpsPark;
  park: HubPark;
  /** Who may sign in. */
  operator: PrincipalRecord;
  clock: Clock;
  entropy: Entropy;
  limits: LimitValues;
  log: Logger;
}

/**
 * Azure's resource manager for DPS and IoT hubs, and the sign-in that its clients need, as a handler of HTTP requests. Source: swagger of
 * Microsoft.Devices; what az 2.45 and the management packages send.
 * @returns takes a request, or says that it is for somebody else
 */
export function resourceManager(parts: ArmParts): (request: IncomingMessage, response: ServerResponse) => boolean {
  return lazyApi(byFirstSegment(SEGMENTS), () => makeRoutes(parts), parts.log);
}

async function makeRoutes(parts: ArmParts): Promise<FastifyInstance> {
  const { store, dps, park, entropy, limits, operator } = parts;
  const tokens = new Tokens(parts);
  const groups = new ResourceGroups({ store, dps, park });
  const operations = new Operations(entropy);
  // `az resource` sends `Microsoft.Devices//IotHubs/NAME`: the parent of a resource may be none.
  const app = await jsonApi({
    bodyBytes: BODY_BYTES,
    ignoresEmptySegments: true,
    answerError: errorAnswer(parts),
    notFound: notServedHere,
  });
  mountSignIn(app, { tokens, operator });
  const served = [
    ...groupRoutes(groups, operations),
    ...resourceRoutes({ dps, park, groups }),
    ...serviceRoutes({ dps, groups, operations, entropy, limits }),
    ...certificateRoutes({
      type: SERVICE_TYPE,
      created: 200,
      authoritiesOf: async (call) => (await serviceOf(dps, call)).enrolments.authorities,
    }),
    ...hubRoutes({ park, groups, operations, entropy }),
    ...certificateRoutes({ type: HUB_TYPE, created: 201, authoritiesOf: async (call) => hubOf(park, call).authorities }),
  ];
  for (const route of [...served, operationsRoute(served), ...unservedRoutes()]) mount(app, route, { tokens, groups });
  await app.ready();
  return app;
}

function mount(
  app: FastifyInstance,
  { method, url, answer }: ArmRoute,
  { tokens, groups }: { tokens: Tokens; groups: ResourceGroups },
): void {
  app.route({
    method,
    url,
    exposeHeadRoute: false,
    // Before the body is read: a stranger makes nobody parse it.
    onRequest: async (request, reply) => {
      const flaw = await signInFlaw(request, reply, tokens);
      if (flaw !== undefined) throw managerError(401, 'InvalidAuthenticationToken', flaw);
      const { subscription } = request.params as { subscription?: string };
      if (subscription !== undefined && !(await groups.subscriptions()).includes(subscription.toLowerCase())) {
        throw managerError(404, 'SubscriptionNotFound', `The subscription '${subscription}' could not be found.`);
      }
    },
    handler: async (request, reply) => {
      const { status = 200, headers = {}, body } = await answer(callOf(request));
      return reply.code(status).headers(headers).send(body);
    },
  });
}

function callOf(request: FastifyRequest): ArmCall {
  const { subscription = '', group = '', name = '', part = '' } = request.params as Partial<Record<string, string>>;
  // OData's own options are written in either case.
  const query = Object.fromEntries(
    Object.entries(request.query as Record<string, string>).map(([key, value]) => [key.toLowerCase(), value]),
  );
  const apiVersion = query['api-version'] ?? '';
  if (!/^\d{4}-\d{2}-\d{2}(-preview)?$/.test(apiVersion)) {
    throw managerError(
      400,
      'MissingApiVersionParameter',
      'The api-version query parameter (?api-version=) is required for all requests: a date.',
    );
  }
  return {
    subscription,
    group,
    name,
    part,
    body: request.body,
    apiVersion,
    ifMatch: request.headers['if-match'],
    origin: originOf(request),
    query,
  };
}

/** What the local cloud has not, by its name. */
function notServedHere({ method, url }: FastifyRequest): ArmError {
  const [path = ''] = url.split('?');
  const [, namespace, type] = /\/providers\/([^/]+)(?:\/([^/]+))?/i.exec(path) ?? [];
  if (namespace !== undefined && namespace.toLowerCase() !== PROVIDER.toLowerCase()) {
    return managerError(
      404,
      'InvalidResourceNamespace',
      `The resource namespace '${namespace}' is invalid: the local cloud has ${PROVIDER} only.`,
    );
  }
  if (type !== undefined && !['provisioningservices', 'iothubs'].includes(type.toLowerCase())) {
    const message = `The resource type '${type}' could not be found in the namespace '${PROVIDER}': the local cloud has provisioningServices and IotHubs.`;
    return managerError(404, 'InvalidResourceType', message);
  }
  return managerError(404, 'NotServedByLocalCloud', `${method} ${path} is not served by the local cloud`);
}

function errorAnswer({ entropy, log }: ArmParts) {
  return (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const known = armErrorOf(error);
    if (known === undefined) log.error({ err: error, url: request.url }, 'a call of the resource manager failed');
    else log.warn({ method: request.method, path: request.url.split('?')[0], code: known.code }, known.message);
    const answered = known ?? managerError(500, 'InternalServerError', 'the local cloud itself failed; its log says how');
    return reply
      .code(answered.status)
      .header('x-ms-request-id', guid(entropy))
      .send(answered.bodyAs({ numbered: hasNumberedErrors(request) }));
  };
}

function hasNumberedErrors({ url, query }: FastifyRequest): boolean {
  const { 'api-version': version } = (query ?? {}) as { 'api-version'?: unknown };
  return (
    url.toLowerCase().includes(`/${SERVICE_TYPE.toLowerCase()}`) &&
    typeof version === 'string' &&
    version >= armChoices.numberedErrorsFrom.value
  );
}
