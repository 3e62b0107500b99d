import type { IncomingMessage, ServerResponse } from 'node:http';
import { dpsErrors, errorBody, httpStatusOf, type ServiceErrorEntry } from '@zerotouch/azure-wire/errors';
import { dpsLimits } from '@zerotouch/azure-wire/limits';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import type { Logger } from 'pino';
import { Dropped } from '../../behaviours/behaviour.js';
import type { Dps, DpsReply, DpsSession } from '../../dps/dps.js';
import { guid } from '../../unique.js';
import { isSecured } from '../channel.js';
import { formalRefusal, wireOf } from '../dps-refusal.js';
import type { HttpHandler } from '../https.js';
import { presentedCertificate } from '../presented.js';
import { readBody } from './body.js';
import { readTarget, type Target } from './target.js';

// The documentation names the statuses, nobody the six digits.
const NOT_FOUND: ServiceErrorEntry = { code: 404000, message: 'Resource not found', evidence: 'chosen' };
const UNSUPPORTED_TYPE: ServiceErrorEntry = { code: 415000, message: 'Unsupported media type', evidence: 'chosen' };

/** What the device API works with. */
export interface DeviceApiParts {
  dps: Pick<Dps, 'open'>;
  clock: Clock;
  entropy: Entropy;
  log: Logger;
}

/** What a target answers to. */
interface Resource {
  method: string;
  ask(session: DpsSession, body: Buffer): Promise<DpsReply>;
}

/** The device API of DPS over HTTPS: register, status of an operation, status of a registration. Source: DPS device API (TypeSpec). */
export function deviceApi({ dps, clock, entropy, log }: DeviceApiParts): HttpHandler {
  return (request, response) => {
    const target = readTarget(request);
    if (target === undefined) return false;
    void serve(target, request, response).catch((error: unknown) => {
      if (error instanceof Dropped) return void response.destroy();
      log.error({ err: error }, 'a request of a device could not be handled');
      if (response.headersSent) response.destroy();
      else refuse(response, dpsErrors.internal);
    });
    return true;
  };

  async function serve(target: Target, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const resource = resourceOf(target);
    if (resource === undefined) return refuse(response, NOT_FOUND);
    if (request.method !== resource.method) {
      response.setHeader('allow', resource.method);
      return refuse(response, dpsErrors.methodNotAllowed);
    }
    const body = await readBody(request, dpsLimits.messageBytes.value);
    if (body === undefined) return;
    // What is left of a body that is too long is not read: the connection cannot go on.
    if (!request.complete) response.shouldKeepAlive = false;
    if (body.length > 0 && !isJson(request.headers['content-type'])) return refuse(response, UNSUPPORTED_TYPE);
    const { idScope, registrationId, apiVersion } = target;
    const { socket } = request;
    const certificate = isSecured(socket) ? presentedCertificate(socket) : undefined;
    const password = request.headers.authorization;
    const tpm = resource.method === 'GET' ? undefined : tpmIn(body);
    const opened = await dps.open(
      {
        transport: 'http',
        idScope,
        registrationId,
        apiVersion,
        clientId: undefined,
        password,
        certificate,
        localAddress: socket.localAddress,
        ...(tpm === undefined ? {} : { tpm }),
      },
      ({ rule }) => wireOf(formalRefusal(rule)),
    );
    if ('reason' in opened) return refuse(response, formalRefusal(opened.reason.rule));
    const reply = await resource.ask(opened.session, body);
    if ('operationId' in reply.body && reply.status === 202)
      response.setHeader('location', operationUrl(request, target, reply.body.operationId));
    answer(response, reply);
  }

  function refuse(response: ServerResponse, error: ServiceErrorEntry): void {
    answer(response, { status: httpStatusOf(error.code), body: errorBody(error, guid(entropy), clock.now()) });
  }

  function answer(response: ServerResponse, { status, body, retryAfter }: DpsReply): void {
    const text = JSON.stringify(body);
    const id = 'trackingId' in body ? body.trackingId : guid(entropy);
    response.writeHead(status, {
      'content-type': 'application/json; charset=utf-8',
      'content-length': Buffer.byteLength(text),
      'strict-transport-security': 'max-age=31536000; includeSubDomains',
      'x-ms-request-id': id,
      ...('errorCode' in body && 'trackingId' in body ? { 'x-ms-error-code': String(body.errorCode) } : {}),
      // RFC 9110 knows whole seconds only.
      ...(retryAfter === undefined ? {} : { 'retry-after': String(Math.ceil(retryAfter)) }),
    });
    response.end(text);
  }
}

function resourceOf({ registrationId, rest: [verb = '', id = '', ...more] }: Target): Resource | undefined {
  if (registrationId === '' || more.length > 0) return undefined;
  if (verb.toLowerCase() === 'register' && id === '') return { method: 'PUT', ask: (session, body) => session.register(body) };
  if (verb.toLowerCase() === 'operations' && id !== '') return { method: 'GET', ask: (session) => session.operation(id) };
  if (verb === '') return { method: 'POST', ask: (session, body) => session.lookUp(body) };
  return undefined;
}

function operationUrl({ headers }: IncomingMessage, { idScope, registrationId, apiVersion }: Target, operationId: string): string {
  const path = [idScope, 'registrations', registrationId, 'operations', operationId].map(encodeURIComponent).join('/');
  return `https://${headers.host ?? 'localhost'}/${path}?api-version=${encodeURIComponent(apiVersion)}`;
}

// Without a type, what comes is taken for what is expected.
function isJson(contentType: string | undefined): boolean {
  return contentType === undefined || /^application\/([\w.-]+\+)?json\s*(;|$)/i.test(contentType);
}

/** The public areas of a TPM in the body of a request; whether the body is as it must be is for DPS to judge. */
function tpmIn(body: Buffer): { endorsementKey: Uint8Array; storageRootKey?: Uint8Array } | undefined {
  const { tpm } = parsed(body) as { tpm?: { endorsementKey?: unknown; storageRootKey?: unknown } | null };
  if (typeof tpm?.endorsementKey !== 'string') return undefined;
  const endorsementKey = Buffer.from(tpm.endorsementKey, 'base64');
  const { storageRootKey } = tpm;
  return typeof storageRootKey === 'string'
    ? { endorsementKey, storageRootKey: Buffer.from(storageRootKey, 'base64') }
    : { endorsementKey };
}

function parsed(body: Buffer): object {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}
