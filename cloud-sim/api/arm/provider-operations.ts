import { type ArmRoute, PROVIDER } from './route.js';

/** How Azure names what a method does. */
const VERBS: Partial<Record<string, string>> = { GET: 'Read', PUT: 'Write', PATCH: 'Write', DELETE: 'Delete', POST: 'Action' };

/** The list of what can be done to resources of the provider, which roles in Azure are made of: all that the routes do. Source: swagger, Operation. */
export function operationsRoute(routes: readonly ArmRoute[]): ArmRoute {
  const names = new Set(routes.flatMap(({ method, url }) => operationName(String(method), url) ?? []));
  const value = [...names].sort().map((name) => {
    const [, resource = ''] = name.split('/');
    return { name, display: { provider: 'Microsoft Devices', resource, operation: name.split('/').slice(1).join(' ') } };
  });
  return { method: 'GET', url: `/providers/${PROVIDER}/operations`, answer: async () => ({ body: { value } }) };
}

function operationName(method: string, url: string): string | undefined {
  const tail = new RegExp(`/providers/${PROVIDER}/(.+)$`).exec(url)?.[1];
  const verb = VERBS[method];
  if (tail === undefined || verb === undefined) return undefined;
  const parts = tail.split('/').filter((part) => !part.startsWith(':'));
  return [PROVIDER, ...parts, verb].join('/');
}
