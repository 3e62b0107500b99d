import { Fault } from '@zerotouch/foundation/fault';
import { readSecret } from '../secret.js';
import type { Kind, LocalCloud, Policy, Resource } from './local-cloud.js';

/** Options that make a DPS or a hub. */
export interface MakeOptions {
  name: string;
  resourceGroup?: string;
  location?: string;
  sku: string;
  unit: number;
  tags?: string[];
}

/** What `update` takes besides the names. */
export interface ChangeOptions {
  tags?: string[];
  set?: string[];
}

/** Makes a DPS or a hub; the group is the first one unless it is named. @throws Fault UNKNOWN_RESOURCE, NAME_TAKEN */
export async function makeResource(
  cloud: LocalCloud,
  kind: Kind,
  { name, resourceGroup, location, sku, unit, tags }: MakeOptions,
): Promise<Resource> {
  const there = (await cloud.list(kind)).find((resource) => resource.name.toLowerCase() === name.toLowerCase());
  if (there !== undefined) {
    throw new Fault('NAME_TAKEN', 'there is one of this name already', { where: '--name', seen: name, expected: 'a new name' });
  }
  const group = await cloud.groupPath(kind, resourceGroup);
  const body = { location: location ?? group.location, sku: { name: sku, capacity: unit }, properties: {}, ...tagsIn(tags) };
  return (await cloud.manage(kind, `${group.path}/${encodeURIComponent(name)}`, { method: 'PUT', body })) as Resource;
}

/** Writes a whole resource back with its etag, as az does: somebody else's change in between is not lost. */
export async function putResource(cloud: LocalCloud, kind: Kind, resource: Resource): Promise<Resource> {
  return (await cloud.manage(kind, resource.id, { method: 'PUT', body: resource })) as Resource;
}

/** Sets members of a resource: `properties.allocationPolicy=GeoLatency`. @throws Fault BAD_SET */
export async function changeResource(
  cloud: LocalCloud,
  kind: Kind,
  resource: Resource,
  { tags, set = [] }: ChangeOptions,
): Promise<Resource> {
  const changed = structuredClone({ ...resource, ...tagsIn(tags) });
  for (const assignment of set) assign(changed, assignment);
  return putResource(cloud, kind, changed);
}

/**
 * Sets a member of a document by what az calls a generic update: `tags.line=7`, `properties.iotHubs[0].allocationWeight=5`.
 * @throws Fault BAD_SET
 */
export function assign(document: object, assignment: string): void {
  const [, path = '', text = ''] = /^([^=]+)=([\s\S]*)$/.exec(assignment) ?? [];
  const names = path.split(/[.[\]]+/).filter((name) => name !== '');
  const last = names.pop();
  if (last === undefined || names.concat(last).some((name) => name === '__proto__' || name === 'constructor')) {
    throw new Fault('BAD_SET', 'it is no assignment', { where: '--set', seen: assignment, expected: 'PATH.TO.MEMBER=VALUE' });
  }
  let at = document as Record<string, unknown>;
  for (const name of names) {
    if (typeof at[name] !== 'object' || at[name] === null) at[name] = {};
    at = at[name] as Record<string, unknown>;
  }
  at[last] = written(text);
}

/** What policies are made of. */
export interface PolicyOptions {
  policyName: string;
  rights?: string[];
  primaryKey?: string;
  secondaryKey?: string;
}

/** @throws Fault UNKNOWN_POLICY that names those there are */
export async function policyNamed(cloud: LocalCloud, kind: Kind, resource: Resource, name: string): Promise<Policy> {
  const policies = await cloud.policies(kind, resource);
  const found = policies.find(({ keyName }) => keyName === name);
  if (found !== undefined) return found;
  const expected = `one of ${policies.map(({ keyName }) => keyName).join(', ')}`;
  throw new Fault('UNKNOWN_POLICY', 'there is no shared access policy of this name', { where: resource.name, seen: name, expected });
}

/** Adds a policy, changes or removes one; with their keys, which the resource alone does not show. */
export async function putPolicies(cloud: LocalCloud, kind: Kind, resource: Resource, policies: readonly Partial<Policy>[]): Promise<void> {
  await putResource(cloud, kind, { ...resource, properties: { ...resource.properties, authorizationPolicies: policies } });
}

/** @throws Fault NAME_TAKEN, SECRET_* */
export async function addPolicy(cloud: LocalCloud, kind: Kind, resource: Resource, options: PolicyOptions): Promise<void> {
  const { policyName, rights = [] } = options;
  const policies = await cloud.policies(kind, resource);
  if (policies.some(({ keyName }) => keyName === policyName)) {
    throw new Fault('NAME_TAKEN', 'there is a policy of this name already', { where: resource.name, seen: policyName });
  }
  const made = { keyName: policyName, rights: rights.join(', '), ...(await keysIn(options)) };
  await putPolicies(cloud, kind, resource, [...policies, made]);
}

/** @throws Fault UNKNOWN_POLICY, SECRET_* */
export async function changePolicy(cloud: LocalCloud, kind: Kind, resource: Resource, options: PolicyOptions): Promise<void> {
  await policyNamed(cloud, kind, resource, options.policyName);
  const change = { ...(options.rights === undefined ? {} : { rights: options.rights.join(', ') }), ...(await keysIn(options)) };
  const policies = await cloud.policies(kind, resource);
  await putPolicies(
    cloud,
    kind,
    resource,
    policies.map((policy) => (policy.keyName === options.policyName ? { ...policy, ...change } : policy)),
  );
}

/** @throws Fault UNKNOWN_POLICY */
export async function dropPolicy(cloud: LocalCloud, kind: Kind, resource: Resource, name: string): Promise<void> {
  await policyNamed(cloud, kind, resource, name);
  const policies = await cloud.policies(kind, resource);
  await putPolicies(
    cloud,
    kind,
    resource,
    policies.filter(({ keyName }) => keyName !== name),
  );
}

/** Keys that the options name, read from where they are. @throws Fault SECRET_* */
export async function keysIn({
  primaryKey,
  secondaryKey,
}: {
  primaryKey?: string;
  secondaryKey?: string;
}): Promise<{ primaryKey?: string; secondaryKey?: string }> {
  return {
    ...(primaryKey === undefined ? {} : { primaryKey: await readSecret(primaryKey, '--primary-key') }),
    ...(secondaryKey === undefined ? {} : { secondaryKey: await readSecret(secondaryKey, '--secondary-key') }),
  };
}

function tagsIn(tags: string[] | undefined): { tags?: Record<string, string> } {
  if (tags === undefined) return {};
  // az takes an empty text for no tags at all.
  const pairs = tags
    .filter((tag) => tag !== '')
    .map((tag): [string, string] => [tag.split('=', 1)[0] ?? '', tag.slice(tag.indexOf('=') + 1)]);
  return { tags: Object.fromEntries(pairs) };
}

function written(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
