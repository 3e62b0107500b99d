import { HUB_TIERS, type HubTier } from '@zerotouch/azure-wire/hub-rates';
import type { JsonObject } from '@zerotouch/azure-wire/twin';
import { z } from 'zod';
import type { PolicyRecord } from '../../store/store.js';
import { badRequest, notServed } from './errors.js';
import { HUB_SETTINGS, hubSettings } from './hub-settings.js';
import { authorisationPolicies, rightsIn, type WantedPolicy } from './policies.js';
import { flawed } from './service-body.js';

/** Every right at a hub, in the order that Azure writes them. */
const HUB_RIGHTS: readonly PolicyRecord['rights'][number][] = ['RegistryRead', 'RegistryWrite', 'ServiceConnect', 'DeviceConnect'];

/** Most units of a hub by its size. Source: hub/iot-hub-scaling. */
export const MAX_UNITS: Record<HubTier, number> = { F1: 1, B1: 200, B2: 200, B3: 10, S1: 200, S2: 200, S3: 10 };

const items = z.array(z.unknown()).nullish();
const tags = z.record(z.string(), z.string()).nullish();
const sku = z.looseObject({ name: z.enum(HUB_TIERS), capacity: z.int().min(1).nullish() });
const patch = z.looseObject({ tags, sku: sku.nullish() });
const body = z.looseObject({
  location: z.string().min(1),
  tags,
  etag: z.string().nullish(),
  sku,
  identity: z.looseObject({ type: z.string().nullish() }).nullish(),
  properties: z
    .looseObject({
      authorizationPolicies: authorisationPolicies.nullish(),
      disableLocalAuth: z.boolean().nullish(),
      publicNetworkAccess: z.string().nullish(),
      ipFilterRules: items,
      privateEndpointConnections: items,
      networkRuleSets: z.unknown().optional(),
      routing: z.looseObject({ endpoints: z.record(z.string(), items).nullish(), routes: items, enrichments: items }).nullish(),
      storageEndpoints: z.record(z.string(), z.looseObject({ connectionString: z.string().nullish() })).nullish(),
      enableFileUploadNotifications: z.boolean().nullish(),
      disableDeviceSAS: z.boolean().nullish(),
      disableModuleSAS: z.boolean().nullish(),
      restrictOutboundNetworkAccess: z.boolean().nullish(),
      ...hubSettings,
    })
    .nullish(),
});

/** What a hub is to be bought as. */
export interface WantedSize {
  tier: HubTier;
  units: number;
}

/** What a PUT asks of a hub. */
export interface WantedHub extends WantedSize {
  location: string;
  tags: Record<string, string> | undefined;
  etag: string | undefined;
  /** `undefined`: they stay as they are. */
  policies: WantedPolicy<PolicyRecord['rights'][number]>[] | undefined;
  properties: JsonObject;
}

/**
 * Reads the body of a PUT.
 * @throws ArmError 400 naming the member, or what of Azure is not served here; never with a key in it
 */
export function readHubBody(value: unknown): WantedHub {
  const read = body.safeParse(value);
  if (!read.success) throw flawed(read.error);
  const { location, tags, etag, sku, identity, properties } = read.data;
  refuseForeign(properties ?? {}, identity?.type);
  const policies = properties?.authorizationPolicies;
  return {
    location,
    tags: tags ?? undefined,
    etag: etag ?? undefined,
    ...sizeOf(sku),
    policies: policies == null ? undefined : rightsIn(policies, HUB_RIGHTS),
    properties: Object.fromEntries(
      HUB_SETTINGS.flatMap((name) => (properties?.[name] == null ? [] : [[name, properties[name]]])),
    ) as JsonObject,
  };
}

/**
 * Reads the body of a PATCH. Azure's specification has tags alone in it; a size is taken too, and what else comes is refused instead of overlooked.
 * @throws ArmError 400 naming the member
 */
export function readHubPatch(value: unknown): { tags: Record<string, string> | undefined; size: WantedSize | undefined } {
  const read = patch.safeParse(value);
  if (!read.success) throw flawed(read.error);
  const { tags, sku, ...others } = read.data;
  const other = Object.keys(others).find((name) => name === 'properties' || name === 'identity');
  if (other !== undefined) throw badRequest(`${other}: a PATCH changes tags and sku; use PUT, with the whole hub`);
  return { tags: tags ?? undefined, size: sku == null ? undefined : sizeOf(sku) };
}

function sizeOf({ name, capacity }: z.infer<typeof sku>): WantedSize {
  const units = capacity ?? 1;
  if (units > MAX_UNITS[name]) throw badRequest(`sku.capacity: ${name} has at most ${MAX_UNITS[name]} units`);
  return { tier: name, units };
}

function refuseForeign(properties: NonNullable<z.infer<typeof body>['properties']>, identity: string | null | undefined): void {
  const { disableLocalAuth, publicNetworkAccess, ipFilterRules, privateEndpointConnections, networkRuleSets, routing, storageEndpoints } =
    properties;
  const here = 'it is reached on this machine only';
  if (disableLocalAuth === true) throw notServed('disableLocalAuth', 'services sign in by shared access policies');
  for (const name of ['disableDeviceSAS', 'disableModuleSAS'] as const)
    if (properties[name] === true) throw notServed(name, 'give devices certificates, and no keys');
  if (properties.restrictOutboundNetworkAccess === true) throw notServed('restrictOutboundNetworkAccess', 'a hub calls nobody here');
  if (publicNetworkAccess != null && publicNetworkAccess !== 'Enabled') throw notServed('publicNetworkAccess', here);
  if (ipFilterRules?.length) throw notServed('ipFilterRules', here);
  if (privateEndpointConnections?.length) throw notServed('privateEndpointConnections', here);
  if (networkRuleSets != null) throw notServed('networkRuleSets', here);
  if (Object.values(routing?.endpoints ?? {}).some((endpoints) => endpoints?.length)) throw notServed('routing.endpoints', TELEMETRY);
  if (routing?.routes?.length) throw notServed('routing.routes', TELEMETRY);
  if (routing?.enrichments?.length) throw notServed('routing.enrichments', TELEMETRY);
  if (
    Object.values(storageEndpoints ?? {}).some(({ connectionString }) => connectionString) ||
    properties.enableFileUploadNotifications === true
  ) {
    throw notServed('file upload (storageEndpoints)', 'send telemetry instead');
  }
  if (identity != null && identity !== 'None') throw notServed('identity', 'there is no Entra ID here');
}

const TELEMETRY = 'read telemetry with zerotouch hub monitor';
