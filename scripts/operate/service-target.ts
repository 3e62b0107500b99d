import { Fault } from '@zerotouch/foundation/fault';
import { readSecret } from '../secret.js';
import type { Kind, LocalCloud, ServiceApi } from './local-cloud.js';

/** Which DPS or hub a verb of a service API means. */
export interface Target {
  dpsName?: string;
  hubName?: string;
  resourceGroup?: string;
  /** Reference to a connection string. */
  login?: string;
}

/** The service API that the options name: by a connection string, or by name with a policy that the resource manager tells. @throws Fault */
export async function serviceOf(cloud: LocalCloud, kind: Kind, { dpsName, hubName, resourceGroup, login }: Target): Promise<ServiceApi> {
  if (login === undefined) return cloud.service(kind, await cloud.find(kind, kind === 'dps' ? dpsName : hubName, resourceGroup));
  const text = await readSecret(login, '--login');
  const part = (name: string): string => new RegExp(`(?:^|;)${name}=([^;]+)`, 'i').exec(text)?.[1] ?? '';
  const [host, keyName, primaryKey] = [part('HostName'), part('SharedAccessKeyName'), part('SharedAccessKey')];
  if (host !== '' && keyName !== '' && primaryKey !== '') return cloud.serviceAt(kind, host.toLowerCase(), { keyName, primaryKey });
  throw new Fault('BAD_CONNECTION_STRING', 'it is no service connection string', {
    where: '--login',
    expected: 'HostName=...;SharedAccessKeyName=...;SharedAccessKey=...',
  });
}

/** If-Match for what must be there: of the etag given, or of whatever it is. */
export function ifMatch(etag?: string): Record<string, string> {
  return { 'if-match': etag === undefined || etag === '*' ? '*' : `"${etag.replaceAll('"', '')}"` };
}

/**
 * Every result of a query, page by page.
 * @param top at most so many; -1 and `undefined`: all
 */
export async function queryAll({ call }: ServiceApi, path: string, query: string, top = -1): Promise<object[]> {
  const items: object[] = [];
  let continuation: string | undefined;
  do {
    const left = top < 0 ? undefined : top - items.length;
    const headers = {
      ...(left === undefined ? {} : { 'x-ms-max-item-count': String(Math.min(left, PAGE)) }),
      ...(continuation === undefined ? {} : { 'x-ms-continuation': continuation }),
    };
    const answer = await call({ method: 'POST', path, headers, body: { query } });
    items.push(...(answer.body as object[]));
    continuation = answer.headers['x-ms-continuation'] as string | undefined;
  } while (continuation !== undefined && (top < 0 || items.length < top));
  return top < 0 ? items : items.slice(0, top);
}

const PAGE = 100;
