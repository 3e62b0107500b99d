import type { LocalCloud, ServiceApi } from './local-cloud.js';
import { assign, keysIn } from './resources.js';
import { ifMatch, queryAll, serviceOf, type Target } from './service-target.js';

type Json = Record<string, unknown>;

/** Options of what a hub knows of one device or module. */
export interface DeviceOptions extends Target {
  deviceId: string;
  moduleId?: string | undefined;
  authMethod?: keyof typeof AUTHENTICATION;
  primaryKey?: string;
  secondaryKey?: string;
  primaryThumbprint?: string;
  secondaryThumbprint?: string;
  edgeEnabled?: boolean;
  status?: string;
  statusReason?: string;
  keyType?: 'primary' | 'secondary';
  etag?: string;
  top?: number;
  set?: string[];
  tags?: Json;
  desired?: Json;
  twin?: Json;
}

/** az's names of how a device proves itself, and the hub's. */
export const AUTHENTICATION = { shared_private_key: 'sas', x509_thumbprint: 'selfSigned', x509_ca: 'certificateAuthority' } as const;

const api = (cloud: LocalCloud, given: Target): Promise<ServiceApi> => serviceOf(cloud, 'hub', given);
const identityPath = ({ deviceId, moduleId }: DeviceOptions): string =>
  `/devices/${encodeURIComponent(deviceId)}${moduleId === undefined ? '' : `/modules/${encodeURIComponent(moduleId)}`}`;
const twinPath = (given: DeviceOptions): string => identityPath(given).replace(/^\/devices/, '/twins');

/** Devices, or modules of a device where `moduleId` is given, in the registry of a hub. */
export const identities = {
  /** Devices with what their twins tell of them, as az lists them. */
  list: async (cloud: LocalCloud, given: DeviceOptions) => {
    const edge = given.edgeEnabled === undefined ? '' : ` WHERE capabilities.iotEdge = ${given.edgeEnabled}`;
    return queryAll(await api(cloud, given), '/devices/query', `SELECT * FROM devices${edge}`, given.top);
  },
  listModules: async (cloud: LocalCloud, given: DeviceOptions) => {
    const { call } = await api(cloud, given);
    const all = (await call({ path: `${identityPath({ ...given, moduleId: undefined })}/modules` })).body as object[];
    return given.top === undefined || given.top < 0 ? all : all.slice(0, given.top);
  },
  show: async (cloud: LocalCloud, given: DeviceOptions) => (await (await api(cloud, given)).call({ path: identityPath(given) })).body,
  create: async (cloud: LocalCloud, given: DeviceOptions) => {
    const { deviceId, moduleId } = given;
    const body = { deviceId, ...(moduleId === undefined ? {} : { moduleId }), ...(await writtenIdentity(given)) };
    return (await (await api(cloud, given)).call({ method: 'PUT', path: identityPath(given), body })).body;
  },
  update: async (cloud: LocalCloud, given: DeviceOptions) => {
    const { call } = await api(cloud, given);
    const current = (await call({ path: identityPath(given) })).body as Json;
    const written = await writtenIdentity(given, current.authentication as Json);
    const body: Json = { ...current, ...written };
    for (const assignment of given.set ?? []) assign(body, assignment);
    return (await call({ method: 'PUT', path: identityPath(given), headers: ifMatch(given.etag ?? String(current.etag)), body })).body;
  },
  delete: async (cloud: LocalCloud, given: DeviceOptions) => {
    await (await api(cloud, given)).call({ method: 'DELETE', path: identityPath(given), headers: ifMatch(given.etag) });
  },
  /** A secret, printed because it is asked for. */
  connectionString: async (cloud: LocalCloud, given: DeviceOptions) => {
    const { call, host } = await api(cloud, given);
    const { authentication } = (await call({ path: identityPath(given) })).body as { authentication: Authentication };
    const { type, symmetricKey } = authentication;
    const key = given.keyType === 'secondary' ? symmetricKey?.secondaryKey : symmetricKey?.primaryKey;
    const module = given.moduleId === undefined ? '' : `;ModuleId=${given.moduleId}`;
    const proof = type === 'sas' ? `SharedAccessKey=${key}` : 'x509=true';
    return { connectionString: `HostName=${host};DeviceId=${given.deviceId}${module};${proof}` };
  },
};

interface Authentication {
  type: string;
  symmetricKey?: { primaryKey?: string; secondaryKey?: string };
}

async function writtenIdentity(given: DeviceOptions, current?: Json): Promise<Json> {
  const { authMethod, primaryThumbprint, secondaryThumbprint, edgeEnabled, status, statusReason } = given;
  const keys = await keysIn(given);
  const prints = {
    ...(primaryThumbprint === undefined ? {} : { primaryThumbprint }),
    ...(secondaryThumbprint === undefined ? {} : { secondaryThumbprint }),
  };
  const changes = {
    ...(authMethod === undefined ? {} : { type: AUTHENTICATION[authMethod] }),
    ...(Object.keys(keys).length === 0 ? {} : { symmetricKey: { ...(current?.symmetricKey as Json), ...keys } }),
    ...(Object.keys(prints).length === 0 ? {} : { x509Thumbprint: { ...(current?.x509Thumbprint as Json), ...prints } }),
  };
  return {
    ...(Object.keys(changes).length === 0 ? {} : { authentication: { ...current, ...changes } }),
    ...(edgeEnabled === undefined ? {} : { capabilities: { iotEdge: edgeEnabled } }),
    ...(status === undefined ? {} : { status }),
    ...(statusReason === undefined ? {} : { statusReason }),
  };
}

/** Twins of devices, or of modules where `moduleId` is given. */
export const twins = {
  list: identities.list,
  show: async (cloud: LocalCloud, given: DeviceOptions) => (await (await api(cloud, given)).call({ path: twinPath(given) })).body,
  update: async (cloud: LocalCloud, given: DeviceOptions) => {
    const { tags, desired, set = [] } = given;
    const patch: Json = {
      ...(tags === undefined ? {} : { tags }),
      ...(desired === undefined ? {} : { properties: { desired } }),
    };
    for (const assignment of set) assign(patch, assignment);
    const { call } = await api(cloud, given);
    return (await call({ method: 'PATCH', path: twinPath(given), headers: ifMatch(given.etag), body: patch })).body;
  },
  replace: async (cloud: LocalCloud, given: DeviceOptions) => {
    const { call } = await api(cloud, given);
    return (await call({ method: 'PUT', path: twinPath(given), headers: ifMatch(given.etag), body: given.twin })).body;
  },
};

interface MethodOptions extends DeviceOptions {
  methodName: string;
  methodPayload: unknown;
  /** Seconds. */
  timeout: number;
  /** Seconds. */
  methodConnectTimeout?: number;
}

/** Calls a direct method of a device or module. */
export async function invokeMethod(cloud: LocalCloud, given: MethodOptions): Promise<unknown> {
  const { methodName, methodPayload: payload, timeout: responseTimeoutInSeconds } = given;
  const { methodConnectTimeout: connectTimeoutInSeconds = responseTimeoutInSeconds } = given;
  const body = { methodName, payload, responseTimeoutInSeconds, connectTimeoutInSeconds };
  return (await (await api(cloud, given)).call({ method: 'POST', path: `${twinPath(given)}/methods`, body })).body;
}

/** Asks a hub about its twins. */
export async function query(cloud: LocalCloud, given: Target & { queryCommand: string; top?: number }): Promise<object[]> {
  return queryAll(await api(cloud, given), '/devices/query', given.queryCommand, given.top);
}

interface ConfigurationOptions extends Target {
  configId: string;
  content?: Json;
  targetCondition?: string;
  priority?: number;
  labels?: Json;
  metrics?: Json;
  set?: string[];
  etag?: string;
  top?: number;
}

const configuration = ({ configId }: ConfigurationOptions): string => `/configurations/${encodeURIComponent(configId)}`;

/** Automatic device configurations of a hub. */
export const configurations = {
  list: async (cloud: LocalCloud, given: ConfigurationOptions) => {
    const top = given.top === undefined || given.top < 0 ? '' : `?top=${given.top}`;
    return (await (await api(cloud, given)).call({ path: `/configurations${top}` })).body;
  },
  show: async (cloud: LocalCloud, given: ConfigurationOptions) =>
    (await (await api(cloud, given)).call({ path: configuration(given) })).body,
  create: async (cloud: LocalCloud, given: ConfigurationOptions) => {
    const { configId: id, content = {}, targetCondition = '', priority = 0, labels = {}, metrics = {} } = given;
    // Files hold the content with its name around it, or without; metrics likewise.
    const body = {
      id,
      content: content.content ?? content,
      targetCondition,
      priority,
      labels,
      metrics: { queries: (metrics.metrics as Json | undefined)?.queries ?? metrics.queries ?? metrics },
    };
    return (await (await api(cloud, given)).call({ method: 'PUT', path: configuration(given), body })).body;
  },
  update: async (cloud: LocalCloud, given: ConfigurationOptions) => {
    const { call } = await api(cloud, given);
    const body = (await call({ path: configuration(given) })).body as Json;
    for (const assignment of given.set ?? []) assign(body, assignment);
    return (await call({ method: 'PUT', path: configuration(given), headers: ifMatch(given.etag ?? String(body.etag)), body })).body;
  },
  delete: async (cloud: LocalCloud, given: ConfigurationOptions) => {
    await (await api(cloud, given)).call({ method: 'DELETE', path: configuration(given), headers: ifMatch(given.etag) });
  },
};
