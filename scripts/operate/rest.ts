import type { IncomingHttpHeaders } from 'node:http';
import { type Agent, request } from 'node:https';
import { text } from 'node:stream/consumers';
import { Fault } from '@zerotouch/foundation/fault';

/** Where a service of the local cloud is reached. */
export interface Place {
  /** Of the door on this machine: `https://localhost:9443`. */
  origin: string;
  /** The name that the service has; by default that of the origin. */
  host?: string;
  /** Trusts the CA of the cloud. */
  agent: Agent;
  signal?: AbortSignal;
}

/** A call; a body is sent as JSON, {@link URLSearchParams} as a form. */
export interface Call {
  method?: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
  /** With its query. */
  path: string;
  headers?: Record<string, string>;
  body?: unknown;
}

/** A good answer; `body` is `undefined` where there is none. */
export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: unknown;
}

const TIMEOUT_MS = 330_000;

/**
 * Calls a service and reads its answer.
 * @throws Fault NO_LOCAL_CLOUD when nobody answers; CALL_REFUSED for what the caller must change, CALL_THROTTLED, CALL_FAILED for what a device or the
 * service did not do
 */
export async function callService({ origin, host = new URL(origin).host, agent, signal }: Place, call: Call): Promise<Answer> {
  const { method = 'GET', path, headers = {}, body } = call;
  const form = body instanceof URLSearchParams;
  const sent = body === undefined ? undefined : form ? body.toString() : JSON.stringify(body);
  const type = form ? 'application/x-www-form-urlencoded' : 'application/json';
  const answer = await new Promise<Answer>((resolve, reject) => {
    const calling = request(
      new URL(path, origin),
      {
        method,
        agent,
        signal: signal === undefined ? AbortSignal.timeout(TIMEOUT_MS) : signal,
        headers: { host, accept: 'application/json', ...(sent === undefined ? {} : { 'content-type': type }), ...headers },
      },
      (response) => {
        text(response).then((answered) => {
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: parsed(answered) });
        }, reject);
      },
    );
    calling.on('error', reject);
    calling.end(sent);
  }).catch((error: NodeJS.ErrnoException) => {
    if (signal?.aborted) throw error;
    throw new Fault('NO_LOCAL_CLOUD', `the local cloud cannot be asked: it does not answer (${error.code ?? error.name})`, {
      where: host,
      remedy: NO_CLOUD,
      cause: error,
    });
  });
  if (answer.status < 400) return answer;
  throw refusal(host, answer);
}

/** What to do when there is no local cloud. */
export const NO_CLOUD = 'start zerotouch cloud in this folder, or name the file of another one with --cloud';

/** The services tell errors in shapes of their own: the resource manager and its providers, DPS, hubs, the sign-in. */
interface Refusal {
  code?: string;
  message?: string;
  error?: { code?: string; message?: string } | string;
  error_description?: string;
  Message?: string;
}

function refusal(where: string, { status, body }: Answer): Fault {
  const { code, message, error, error_description: description, Message } = (body ?? {}) as Refusal;
  const inner = typeof error === 'object' ? error : { code: error, message: description };
  const name = code ?? inner.code ?? /^ErrorCode:(\w+)/.exec(Message ?? '')?.[1];
  const words = message ?? inner.message ?? Message?.replace(/^ErrorCode:\w+;/, '') ?? `it answered ${status}`;
  const summary = name === undefined ? `${words} (${status})` : `${words} (${status} ${name})`;
  if (status === 429) return new Fault('CALL_THROTTLED', summary, { where, remedy: 'wait, then try again' });
  return new Fault(status >= 500 || name === 'DeviceNotOnline' ? 'CALL_FAILED' : 'CALL_REFUSED', summary, { where });
}

function parsed(body: string): unknown {
  if (body === '') return undefined;
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
