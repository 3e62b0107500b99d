import type { Entropy } from '@zerotouch/foundation/entropy';
import type { ServicePolicyRecord, ServiceRight, Store } from '../../store/store.js';
import { generatedKey } from '../../unique.js';

/** Host name of the local DPS for its service API (devices use the global one). */
export const SERVICE_HOST = 'zerotouch.azure-devices-provisioning.net';

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
 */
export async function keepPolicies(policies: readonly ServicePolicy[], store: Store, entropy: Entropy): Promise<ServicePolicyRecord> {
  const keep = ({ name, rights, primaryKey, secondaryKey }: ServicePolicy): Promise<ServicePolicyRecord> => {
    const [first, second] = [generatedKey(entropy), generatedKey(entropy)];
    return store.policies.update(name, (current) => ({
      name,
      rights,
      primaryKey: primaryKey ?? current?.primaryKey ?? first,
      secondaryKey: secondaryKey ?? current?.secondaryKey ?? second,
    }));
  };
  const owner = await keep({ name: OWNER_POLICY, rights: SERVICE_RIGHTS });
  for (const policy of policies) await keep(policy);
  return owner;
}

/** The owner's connection string, a secret. @param host as a client reaches the service, with a port if it is not 443 */
export function serviceConnectionString(host: string, { name, primaryKey }: ServicePolicyRecord): string {
  return `HostName=${host};SharedAccessKeyName=${name};SharedAccessKey=${primaryKey}`;
}
