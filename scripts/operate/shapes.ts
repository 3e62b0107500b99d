import type { Resource } from './local-cloud.js';

type Json = Record<string, unknown>;

/** Members that Azure's CLI (2.45) shows of a DPS even when the answer has none. */
const DPS_MEMBERS = [
  'authorizationPolicies',
  'enableDataResidency',
  'ipFilterRules',
  'privateEndpointConnections',
  'publicNetworkAccess',
] as const;

/** The same of a hub. */
const HUB_MEMBERS = [
  'allowedFqdnList',
  'authorizationPolicies',
  'cloudToDevice',
  'comments',
  'deviceStreams',
  'disableDeviceSas',
  'disableLocalAuth',
  'disableModuleSas',
  'enableDataResidency',
  'encryption',
  'ipFilterRules',
  'minTlsVersion',
  'networkRuleSets',
  'privateEndpointConnections',
  'publicNetworkAccess',
  'restrictOutboundNetworkAccess',
  'rootCertificate',
] as const;

/** Members in order, as az prints them, at every depth. */
export function inOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOrder);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(members.map(([name, member]) => [name, inOrder(member)]));
}

/** A DPS as az shows it. */
export function shownDps({ properties, ...rest }: Resource): object {
  return { systemData: null, ...rest, properties: { ...nulls(DPS_MEMBERS), ...properties } };
}

/** A hub as az shows it. */
export function shownHub({ properties, ...rest }: Resource): object {
  const { routing = {} } = properties as { routing?: Json };
  const endpoints = { cosmosDbSqlCollections: null, ...(routing.endpoints as Json) };
  return {
    identity: null,
    systemData: null,
    ...rest,
    properties: withDurations({
      ...nulls(HUB_MEMBERS),
      ...properties,
      routing: { enrichments: null, fallbackRoute: null, ...routing, endpoints },
    }),
  };
}

/** A CA certificate of a DPS as az shows it. */
export function shownCertificate(certificate: unknown, group: string): object {
  const { properties, ...rest } = certificate as { properties: Record<string, unknown> };
  const times = ['created', 'updated', 'expiry'].flatMap((name) => {
    const time = properties[name];
    return typeof time === 'string' ? [[name, new Date(time).toISOString().replace('.000Z', '+00:00')]] : [];
  });
  return { systemData: null, ...rest, resourceGroup: group, properties: { ...properties, ...Object.fromEntries(times) } };
}

function nulls(members: readonly string[]): Json {
  return Object.fromEntries(members.map((name) => [name, null]));
}

/** ISO 8601 durations in Python's form: `PT1H` is `1:00:00`. */
function withDurations(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name,
      name.endsWith('AsIso8601') && typeof member === 'string' ? pythonDuration(member) : withDurations(member),
    ]),
  );
}

function pythonDuration(iso: string): string {
  const parts = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$/.exec(iso);
  if (parts === null) return iso;
  const [days = 0, hours = 0, minutes = 0, seconds = 0] = parts.slice(1).map((part) => Number(part ?? 0));
  const all = ((days * 24 + hours) * 60 + minutes) * 60 + seconds;
  const wholeDays = Math.floor(all / 86_400);
  const two = (value: number): string => String(value % 60).padStart(2, '0');
  const clock = `${Math.floor((all % 86_400) / 3600)}:${two(Math.floor(all / 60))}:${two(all)}`;
  return wholeDays === 0 ? clock : `${wholeDays} day${wholeDays === 1 ? '' : 's'}, ${clock}`;
}
