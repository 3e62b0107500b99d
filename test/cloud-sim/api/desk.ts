import { once } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import { Agent, createServer, request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { buildSas } from '@zerotouch/azure-wire/sas';
import { dpsService } from '@zerotouch/cloud-sim/api/service/service';
import { makeServerIdentity } from '@zerotouch/cloud-sim/doors/authority';
import { Enrolments } from '@zerotouch/cloud-sim/dps/enrolments';
import { keepPolicies, type ServicePolicy, serviceHost } from '@zerotouch/cloud-sim/dps/policies';
import type { Throttle } from '@zerotouch/cloud-sim/dps/throttle';
import { memoryStore } from '@zerotouch/cloud-sim/store/memory';
import type { ServicePolicyRecord, Store } from '@zerotouch/cloud-sim/store/store';
import { systemClock } from '@zerotouch/foundation/clock';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { pino } from 'pino';
import type { Test } from 'tap';

/** An enrolment as reading shows it. */
export interface Shown extends Record<string, unknown> {
  etag: string;
  createdDateTimeUtc: string;
  provisioningStatus: string;
}

/** What the attestation mechanism of a test's enrolment shows. */
export interface Mechanism {
  symmetricKey: { primaryKey: string; secondaryKey: string };
  x509: { signingCertificates: { primary: { certificate: string } } };
}

/** What came back. */
export interface Answer<T = Shown> {
  status: number;
  headers: IncomingHttpHeaders;
  body: T;
}

/** What goes out, besides method and path. */
export interface Ask {
  body?: unknown;
  headers?: Record<string, string>;
  /** The Authorization header; by default a good one of the owner. */
  authorization?: string | undefined;
}

/** The service API alone, behind an HTTPS server of its own. */
export interface Desk {
  store: Store;
  port: number;
  owner: ServicePolicyRecord;
  /** Trusts the server, and reaches it whatever host is asked for. */
  agent: Agent;
  /** Everything logged, one JSON text an entry. */
  log: string[];
  call<T = Shown>(method: string, path: string, ask?: Ask): Promise<Answer<T>>;
}

/** Host name of the service. */
const SERVICE_HOST = serviceHost('zerotouch');

/** A token for the service. */
export function serviceToken(policy: { name: string; primaryKey: string }, resource = SERVICE_HOST, seconds = 3600): string {
  const expiry = Math.floor(Date.now() / 1000) + seconds;
  return buildSas({ resource, key: Buffer.from(policy.primaryKey, 'base64'), expiry, keyName: policy.name });
}

export async function openDesk(t: Test, policies: ServicePolicy[] = [], store: Store = memoryStore(), throttle?: Throttle): Promise<Desk> {
  const owner = await keepPolicies(policies, store, systemEntropy);
  const log: string[] = [];
  const parts = { store, clock: systemClock, entropy: systemEntropy };
  const handle = dpsService({
    ...parts,
    hosts: [SERVICE_HOST, 'localhost', '127.0.0.1'],
    enrolments: new Enrolments(parts),
    ...(throttle === undefined ? {} : { throttle }),
    log: pino({ level: 'debug' }, { write: (line) => log.push(line) }),
  });
  const { ca, certificate, privateKey } = await makeServerIdentity([SERVICE_HOST, 'localhost']);
  const server = createServer({ cert: certificate, key: privateKey }, (request, response) => {
    if (!handle(request, response)) response.writeHead(404).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const agent = new Agent({ host: '127.0.0.1', port, ca, servername: SERVICE_HOST });
  t.teardown(async () => {
    agent.destroy();
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  const call = callerOf(agent, owner);
  return { store, port, owner, agent, log, call };
}

/** Calls the service as a policy; the agent decides where it is. */
export function callerOf(agent: Agent, owner: { name: string; primaryKey: string }): Desk['call'] {
  return async <T>(method: string, path: string, { body, headers = {}, ...ask }: Ask = {}): Promise<Answer<T>> => {
    const authorization = 'authorization' in ask ? ask.authorization : serviceToken(owner);
    const url = `https://${SERVICE_HOST}${path}${path.includes('?') ? '' : '?api-version=2021-10-01'}`;
    const request = httpsRequest(url, {
      method,
      agent,
      headers: {
        ...(authorization === undefined ? {} : { authorization }),
        ...(body === undefined ? {} : { 'content-type': 'application/json; charset=utf-8' }),
        ...headers,
      },
    });
    request.end(body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body));
    const [response] = (await once(request, 'response')) as [import('node:http').IncomingMessage];
    const answer = await text(response);
    return { status: response.statusCode ?? 0, headers: response.headers, body: (answer === '' ? undefined : JSON.parse(answer)) as T };
  };
}
