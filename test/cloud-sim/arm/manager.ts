import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import { text } from 'node:stream/consumers';
import dpsArm from '@azure/arm-deviceprovisioningservices';
import hubArm from '@azure/arm-iothub';
import type { Cloud } from '@zerotouch/cloud-sim/cloud';
import type { Test } from 'tap';

/** The subscription of the first two hubs of every cloud. */
export const SUBSCRIPTION = '3f0c1a52-6f1e-4d0b-9a3e-0d5c7b1e8a01';
/** The one of the third. */
export const OTHER_SUBSCRIPTION = '8b7e2d94-15c6-4b7a-8f21-6c9a4e3d2b02';

/** What came back. */
export interface Answer<T = Record<string, unknown>> {
  status: number;
  headers: IncomingMessage['headers'];
  body: T;
}

/** What is sent besides method and path; `authorization: undefined` sends none. */
export interface Ask {
  body?: unknown;
  headers?: Record<string, string>;
  authorization?: string | undefined;
}

/** A hand on the resource manager of a cloud. */
export interface Manager {
  token: string;
  call<T = Record<string, unknown>>(method: string, path: string, ask?: Ask): Promise<Answer<T>>;
}

/** Signs in as `az login --service-principal` does, and calls. */
export async function managerOf(t: Test, cloud: Cloud): Promise<Manager> {
  const agent = new Agent({ ca: cloud.ca });
  t.teardown(() => agent.destroy());
  const { endpoint } = cloud.arm;
  const send = async <T>(method: string, url: string, headers: Record<string, string>, body: string | undefined): Promise<Answer<T>> => {
    const request = httpsRequest(url, { method, agent, headers });
    request.end(body);
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    const answer = await text(response);
    return { status: response.statusCode ?? 0, headers: response.headers, body: (answer === '' ? undefined : JSON.parse(answer)) as T };
  };
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: cloud.arm.clientId,
    client_secret: cloud.arm.clientSecret,
    scope: `${endpoint}/.default`,
  });
  const signIn = await send<{ access_token: string }>(
    'POST',
    `${endpoint}/adfs/oauth2/v2.0/token`,
    { 'content-type': 'application/x-www-form-urlencoded' },
    form.toString(),
  );
  const { access_token: token } = signIn.body;
  return {
    token,
    call: (method, path, { body, headers = {}, ...ask } = {}) => {
      const authorization = 'authorization' in ask ? ask.authorization : `Bearer ${token}`;
      const url = `${endpoint}${path}${path.includes('?') ? '' : '?api-version=2021-10-15'}`;
      const sent = {
        ...(authorization === undefined ? {} : { authorization }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      };
      return send(method, url, sent, body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body));
    },
  };
}

/** The official management clients, for one subscription. */
export async function managementClients(t: Test, cloud: Cloud, subscription = SUBSCRIPTION) {
  const { token } = await managerOf(t, cloud);
  const credential = { getToken: async () => ({ token, expiresOnTimestamp: Date.now() + 3_600_000 }) };
  const options = { endpoint: cloud.arm.endpoint, tlsOptions: { ca: cloud.ca } };
  return {
    dps: new dpsArm.IotDpsClient(credential, subscription, options),
    hubs: new hubArm.IotHubClient(credential, subscription, options),
  };
}
