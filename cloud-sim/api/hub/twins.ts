import type { JsonObject, JsonValue } from '@zerotouch/azure-wire/twin';
import { twinDocument } from '../../hub/documents.js';
import type { Hub } from '../../hub/hub.js';
import type { Identity } from '../../hub/identity.js';
import type { Match } from '../service/etags.js';
import { maybeObject, objectIn } from './bodies.js';
import { badArgument, type HubApiError, noDevice, noModule, stale } from './errors.js';

/** @throws HubApiError 404 */
export async function getTwin(hub: Hub, identity: Identity): Promise<JsonObject> {
  const { deviceId, moduleId } = identity;
  const [twin, owner] = await Promise.all([
    hub.twins.get(identity),
    moduleId === undefined ? hub.registry.get(deviceId) : hub.registry.module(deviceId, moduleId),
  ]);
  if (twin === undefined || owner === undefined) throw missing(identity);
  return twinDocument(twin, owner, hub.presence(identity));
}

/**
 * Writes tags and desired properties.
 * @param replace `true`: what the body does not name goes (PUT); else it is laid over what is there (PATCH)
 * @returns the whole twin
 * @throws HubApiError 400 for what breaks a limit of twins, 404, 412
 */
export async function writeTwin(hub: Hub, identity: Identity, body: unknown, match: Match, replace: boolean): Promise<JsonObject> {
  const written = objectIn(body, 'the body');
  const tags = maybeObject(written.tags, 'tags');
  const desired = maybeObject(maybeObject(written.properties, 'properties')?.desired, 'properties.desired');
  const given = replace
    ? { tags: tags ?? {}, desired: desired ?? {} }
    : { ...(tags === undefined ? {} : { tags }), ...(desired === undefined ? {} : { desired }) };
  // Whoever writes back what it read sends what the service itself wrote.
  const plain = Object.fromEntries(Object.entries(given).map(([name, section]) => [name, withoutService(section)]));
  const etag = match.kind === 'etag' ? { etag: match.etag } : {};
  const change = await hub.writeTwin(identity, { ...plain, ...etag, replace });
  if ('missing' in change) throw missing(identity);
  if ('stale' in change) throw stale(change.stale);
  if ('problem' in change) throw badArgument(change.problem);
  return getTwin(hub, identity);
}

function withoutService(section: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(section).filter(([key]: [string, JsonValue]) => key !== '$version' && key !== '$metadata'));
}

function missing({ deviceId, moduleId }: Identity): HubApiError {
  return moduleId === undefined ? noDevice(deviceId) : noModule(deviceId, moduleId);
}
