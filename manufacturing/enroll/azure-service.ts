import type { IncomingMessage } from 'node:http';
import https from 'node:https';
import { createRequire } from 'node:module';
import type { EnrolmentGroup, IndividualEnrolment } from '@zerotouch/azure-wire/enrolment';
import { ManufacturingFault } from '../faults.js';
import { type BulkProblem, type DpsService, ServiceRefusal, type Shown } from './service.js';

/** Where a DPS service API is, and how it is trusted. */
export interface ServiceAddress {
  /** `HostName=...;SharedAccessKeyName=...;SharedAccessKey=...`. Secret. */
  connectionString: string;
  /** PEM of the CA that the local cloud's listener is signed by; without it, those that Node trusts. */
  ca?: string | undefined;
  /** Milliseconds until a request counts as unanswered. */
  timeout: number;
}

type Client = import('azure-iot-provisioning-service').ProvisioningServiceClient;
type Individual = Parameters<Client['createOrUpdateIndividualEnrollment']>[0];
type Group = Parameters<Client['createOrUpdateEnrollmentGroup']>[0];
interface RestApi {
  new (config: object, userAgent: string): object & { setOptions(options: { http: { agent: https.Agent } }): void };
}

/**
 * The DPS service API through the official client. Its own transport knows neither ports nor private CAs: an agent gives it both.
 * @throws ManufacturingFault DPS_ADDRESS for a connection string that is none; it is never quoted
 */
export async function openAzureService({ connectionString, ca, timeout }: ServiceAddress): Promise<DpsService> {
  const parts = new Map(
    connectionString
      .trim()
      .split(';')
      .map((part) => splitOnce(part)),
  );
  const host = /^([A-Za-z0-9.-]+)(?::(\d{1,5}))?$/.exec(parts.get('HostName') ?? '');
  const [name, key] = [parts.get('SharedAccessKeyName'), parts.get('SharedAccessKey')];
  if (host?.[1] === undefined || !name || !key) {
    throw new ManufacturingFault('DPS_ADDRESS', 'this is no connection string of a DPS service API', {
      expected: 'HostName=...;SharedAccessKeyName=...;SharedAccessKey=...',
      remedy: 'take it from the shared access policies of the DPS instance (it needs EnrollmentRead and EnrollmentWrite)',
    });
  }
  const { default: library } = await import('azure-iot-provisioning-service');
  // Its own copies of its own libraries: others are installed beside them.
  const own = createRequire(createRequire(import.meta.url).resolve('azure-iot-provisioning-service'));
  const { RestApiClient } = own('azure-iot-http-base') as { RestApiClient: RestApi };
  const { SharedAccessSignature } = own('azure-iot-common') as {
    SharedAccessSignature: { create(host: string, policy: string, key: string, expiry: number): object };
  };
  const agent = new https.Agent({
    keepAlive: true,
    ...(host[2] === undefined ? {} : { port: Number(host[2]), host: host[1], servername: host[1] }),
    ...(ca === undefined ? {} : { ca }),
  });
  const config = { host: host[1], sharedAccessSignature: SharedAccessSignature.create(host[1], name, key, Date.now()) };
  const rest = new RestApiClient(config, 'zerotouch');
  rest.setOptions({ http: { agent } });
  const client = new library.ProvisioningServiceClient(
    config as unknown as ConstructorParameters<typeof library.ProvisioningServiceClient>[0],
    rest as unknown as ConstructorParameters<typeof library.ProvisioningServiceClient>[1],
  );
  const ask = <T>(call: () => Promise<unknown>): Promise<T> => asked(call, host[0], timeout) as Promise<T>;
  const orNone = async <T>(call: Promise<T>): Promise<T | undefined> => {
    try {
      return await call;
    } catch (error) {
      if (error instanceof ServiceRefusal && error.status === 404) return undefined;
      throw error;
    }
  };
  return {
    group: (id) => orNone(ask<Shown<EnrolmentGroup>>(() => client.getEnrollmentGroup(id))),
    putGroup: (group) => ask(() => client.createOrUpdateEnrollmentGroup(group as unknown as Group)),
    individual: (id) => orNone(ask<Shown<IndividualEnrolment>>(() => client.getIndividualEnrollment(id))),
    bulk: async (mode, enrollments) => {
      const operation = { mode, enrollments: enrollments as unknown as Individual[] };
      // Asked for a promise, the client never settles it.
      const call = () =>
        new Promise((resolve, reject) => {
          client.runBulkEnrollmentOperation(operation, (error, responseBody) => (error ? reject(error) : resolve({ responseBody })));
        });
      return (await ask<{ errors?: BulkProblem[] }>(call)).errors ?? [];
    },
    mechanism: (kind, id) =>
      ask(() =>
        kind === 'group' ? client.getEnrollmentGroupAttestationMechanism(id) : client.getIndividualEnrollmentAttestationMechanism(id),
      ),
    deleteGroup: (id) => ask(() => client.deleteEnrollmentGroup(id)),
    close: () => agent.destroy(),
  };
}

/** Calls, and sorts what came of it: the body of the answer, a refusal, nobody there. */
async function asked(call: () => Promise<unknown>, host: string, timeout: number): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(unreachable(host, `no answer within ${timeout / 1000} s`)), timeout);
  });
  try {
    const answer = (await Promise.race([call(), silence])) as { responseBody?: unknown } | undefined;
    return answer?.responseBody;
  } catch (error) {
    throw sorted(error, host);
  } finally {
    clearTimeout(timer);
  }
}

function sorted(error: unknown, host: string): unknown {
  // The client hangs the answer on its errors; an error of the network has none.
  const { response, responseBody, code } = error as { response?: IncomingMessage; responseBody?: unknown; code?: unknown };
  if (response?.statusCode !== undefined) {
    const wait = Number(response.headers['retry-after']);
    return new ServiceRefusal(
      response.statusCode,
      messageIn(responseBody) ?? response.statusMessage ?? '',
      Number.isFinite(wait) ? wait : undefined,
    );
  }
  return typeof code === 'string' && code !== 'DPS_UNREACHABLE' ? unreachable(host, code, error) : error;
}

function messageIn(body: unknown): string | undefined {
  try {
    const { errorCode, message } = (typeof body === 'string' ? JSON.parse(body) : body) as { errorCode?: unknown; message?: unknown };
    return typeof message === 'string' ? `${typeof errorCode === 'number' ? `${errorCode} ` : ''}${message}` : undefined;
  } catch {
    return undefined;
  }
}

function unreachable(host: string, seen: string, cause?: unknown): ManufacturingFault {
  return new ManufacturingFault('DPS_UNREACHABLE', 'the DPS service API cannot be reached', {
    where: host,
    seen,
    remedy: 'check the host name and the network; what was enrolled stays enrolled, and the same command goes on from there',
    ...(cause === undefined ? {} : { cause }),
  });
}

function splitOnce(part: string): [string, string] {
  const at = part.indexOf('=');
  return at === -1 ? [part, ''] : [part.slice(0, at), part.slice(at + 1)];
}
