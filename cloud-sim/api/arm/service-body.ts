import { z } from 'zod';
import { SERVICE_RIGHTS } from '../../dps/policies.js';
import type { ServiceRecord, ServiceRight } from '../../store/store.js';
import { type ArmError, badRequest, notServed } from './errors.js';
import { authorisationPolicies, rightsIn, type WantedPolicy } from './policies.js';

const hub = z.looseObject({
  connectionString: z.string().min(1),
  location: z.string().nullish(),
  // az sends 0 for no devices, though 1 to 1000 is documented.
  allocationWeight: z.int().min(0).max(1000).nullish(),
  applyAllocationPolicy: z.boolean().nullish(),
});

const body = z.looseObject({
  location: z.string().min(1),
  tags: z.record(z.string(), z.string()).nullish(),
  etag: z.string().nullish(),
  sku: z.looseObject({ name: z.literal('S1'), capacity: z.int().min(1).max(100).nullish() }),
  properties: z
    .looseObject({
      iotHubs: z.array(hub).nullish(),
      allocationPolicy: z.string().nullish(),
      authorizationPolicies: authorisationPolicies.nullish(),
      publicNetworkAccess: z.string().nullish(),
      ipFilterRules: z.array(z.unknown()).nullish(),
      privateEndpointConnections: z.array(z.unknown()).nullish(),
    })
    .nullish(),
});

/** A hub to be linked, as a caller writes it. */
export type WantedLink = z.infer<typeof hub>;

/** What a PUT asks of a DPS. */
export interface WantedService {
  location: string;
  tags: Record<string, string> | undefined;
  /** Of the body: what az sends instead of If-Match. */
  etag: string | undefined;
  capacity: number | undefined;
  links: readonly WantedLink[];
  allocationPolicy: ServiceRecord['allocationPolicy'] | undefined;
  /** `undefined`: they stay as they are. */
  policies: WantedPolicy<ServiceRight>[] | undefined;
}

/** ARM's spelling of the allocation policies. */
export const ALLOCATION_POLICIES = { hashed: 'Hashed', geoLatency: 'GeoLatency', static: 'Static' } as const;

/**
 * Reads the body of a PUT.
 * @throws ArmError 400 naming the member; never with a key in it
 */
export function readServiceBody(value: unknown): WantedService {
  const read = body.safeParse(value);
  if (!read.success) throw flawed(read.error);
  const { location, tags, etag, sku, properties } = read.data;
  const { iotHubs, allocationPolicy, authorizationPolicies, publicNetworkAccess, ipFilterRules, privateEndpointConnections } =
    properties ?? {};
  if (publicNetworkAccess != null && publicNetworkAccess !== 'Enabled')
    throw notServed('publicNetworkAccess', 'it is reached on this machine only');
  if (ipFilterRules?.length) throw notServed('ipFilterRules', 'it is reached on this machine only');
  if (privateEndpointConnections?.length) throw notServed('privateEndpointConnections', 'it is reached on this machine only');
  return {
    location,
    tags: tags ?? undefined,
    etag: etag ?? undefined,
    capacity: sku.capacity ?? undefined,
    links: iotHubs ?? [],
    allocationPolicy: allocationPolicy == null ? undefined : allocationPolicyOf(allocationPolicy),
    policies: authorizationPolicies == null ? undefined : rightsIn(authorizationPolicies, SERVICE_RIGHTS),
  };
}

/** What is wrong with a body, without its values: they may be keys. */
export function flawed(error: z.ZodError): ArmError {
  const issue = error.issues[0];
  return badRequest(`${issue?.path.join('.') || 'the body'}: ${issue?.message ?? 'is invalid'}`);
}

function allocationPolicyOf(text: string): ServiceRecord['allocationPolicy'] {
  const found = Object.entries(ALLOCATION_POLICIES).find(([, spelt]) => spelt.toLowerCase() === text.toLowerCase());
  if (found !== undefined) return found[0] as ServiceRecord['allocationPolicy'];
  throw badRequest(
    `allocationPolicy must be ${Object.values(ALLOCATION_POLICIES).join(', ')}, not ${JSON.stringify(text)}; Custom is for enrolments`,
  );
}
