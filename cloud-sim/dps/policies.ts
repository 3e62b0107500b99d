import { parseKey } from '@zerotouch/azure-wire/keys';
import type { Entropy } from '@zerotouch/foundation/entropy';
import { isFault } from '@zerotouch/foundation/fault';
import { CloudFault } from '../faults.js';
import type { ServicePolicyRecord, ServiceRight, Tables } from '../store/store.js';
import { generatedKey } from '../unique.js';

/** Host name of a DPS for its service API; devices use the global one. */
export function serviceHost(name: string): string {
  return `${name}.azure-devices-provisioning.net`;
}

/** The policy that every DPS is made with. Source: iot-dps/how-to-control-access. */
export const OWNER_POLICY = 'provisioningserviceowner';

/** Every right there is. */
export const SERVICE_RIGHTS: readonly ServiceRight[] = [
  'ServiceConfig',
  'EnrollmentRead',
  'EnrollmentWrite',
  'DeviceConnect',
  'RegistrationStatusRead',
  'RegistrationStatusWrite',
];

/** A shared access policy to make; keys left out are generated. */
export interface ServicePolicy {
  name: string;
  rights: readonly ServiceRight[];
  /** Base64. */
  primaryKey?: string;
  secondaryKey?: string;
}

/**
 * Sees to it that the owner's policy and these are there; keys that a policy has already stay unless others are given.
 * @returns the owner's policy
 * @throws CloudFault BAD_OPTIONS
 */
export async function keepPolicies(
  policies: readonly ServicePolicy[],
  store: Pick<Tables, 'policies'>,
  entropy: Entropy,
): Promise<ServicePolicyRecord> {
  policies.forEach(checkPolicy);
  const owner = await keep({ name: OWNER_POLICY, rights: SERVICE_RIGHTS }, store, entropy);
  for (const policy of policies) await keep(policy, store, entropy);
  return owner;
}

/**
 * Makes these all policies that there are.
 * @throws CloudFault BAD_OPTIONS
 */
export async function replacePolicies(
  policies: readonly ServicePolicy[],
  store: Pick<Tables, 'policies'>,
  entropy: Entropy,
): Promise<void> {
  policies.forEach(checkPolicy);
  for (const { name } of await store.policies.list()) {
    if (!policies.some((policy) => policy.name === name)) await store.policies.delete(name);
  }
  for (const policy of policies) await keep(policy, store, entropy);
}

function keep(
  { name, rights, primaryKey, secondaryKey }: ServicePolicy,
  store: Pick<Tables, 'policies'>,
  entropy: Entropy,
): Promise<ServicePolicyRecord> {
  const [first, second] = [generatedKey(entropy), generatedKey(entropy)];
  return store.policies.update(name, (current) => ({
    name,
    rights,
    primaryKey: primaryKey ?? current?.primaryKey ?? first,
    secondaryKey: secondaryKey ?? current?.secondaryKey ?? second,
  }));
}

/** The owner's connection string, a secret. @param host as a client reaches the service, with a port if it is not 443 */
export function serviceConnectionString(host: string, { name, primaryKey }: ServicePolicyRecord): string {
  return `HostName=${host};SharedAccessKeyName=${name};SharedAccessKey=${primaryKey}`;
}

function checkPolicy({ name, rights, primaryKey, secondaryKey }: ServicePolicy): void {
  const where = `policies, ${JSON.stringify(name)}`;
  if (!/^[A-Za-z0-9!#$%&'()*+,\-.:;=?@_]{1,64}$/.test(name)) {
    throw new CloudFault('BAD_OPTIONS', 'the name of a shared access policy is not allowed', {
      where,
      expected: '1 to 64 letters, digits and marks',
    });
  }
  const unknown = rights.find((right) => !SERVICE_RIGHTS.includes(right));
  if (unknown !== undefined) {
    throw new CloudFault('BAD_OPTIONS', 'there is no such right', { where, seen: unknown, expected: SERVICE_RIGHTS.join(', ') });
  }
  for (const key of [primaryKey, secondaryKey]) {
    try {
      if (key !== undefined) parseKey(key);
    } catch (error) {
      if (isFault(error)) throw new CloudFault('BAD_OPTIONS', error.message, { where });
      throw error;
    }
  }
}
