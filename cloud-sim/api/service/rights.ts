import { parseSas, resourceCovers, type SasToken, verifySas } from '@zerotouch/azure-wire/sas';
import { isFault } from '@zerotouch/foundation/fault';
import { dpsChoices } from '../../choices.js';
import type { ServicePolicyRecord, ServiceRight } from '../../store/store.js';
import { serviceChoices } from './choices.js';
import { ServiceError } from './errors.js';

/** What a call shows, and what it is judged by. */
export interface ServiceCall {
  /** The Authorization header. */
  authorization: string | undefined;
  /** What the operation needs. */
  right: ServiceRight;
  /** Names that the service answers to, without ports. */
  hosts: readonly string[];
  /** Milliseconds since 1970. */
  now: number;
}

/** A right that carries another. */
const CARRIES: Partial<Record<ServiceRight, ServiceRight>> = {
  EnrollmentRead: 'EnrollmentWrite',
  RegistrationStatusRead: 'RegistrationStatusWrite',
};

/**
 * Lets a call pass, or says why not. Source: iot-dps/how-to-control-access.
 * @param policyOf the policy of this name
 * @throws ServiceError 401 when the token is not good, or its policy lacks the right
 */
export async function authorise(
  { authorization, right, hosts, now }: ServiceCall,
  policyOf: (name: string) => Promise<ServicePolicyRecord | undefined>,
): Promise<void> {
  const token = readToken(authorization);
  if (!hosts.some((host) => resourceCovers(withoutPort(token.resource), host))) {
    throw refused(`the token is for ${JSON.stringify(token.resource)}, this service is ${hosts.join(', ')}`);
  }
  if (token.expiry * 1000 + dpsChoices.clockSkewSeconds.value * 1000 < now) {
    throw refused(`the token expired at ${new Date(token.expiry * 1000).toISOString()}, it is ${new Date(now).toISOString()}`);
  }
  if (token.keyName === undefined || token.keyName === '') throw refused('the token names no shared access policy (skn)');
  const policy = await policyOf(token.keyName);
  if (policy === undefined) throw refused(`there is no shared access policy ${JSON.stringify(token.keyName)}`);
  if (![policy.primaryKey, policy.secondaryKey].some((key) => verifySas(token, Buffer.from(key, 'base64')))) {
    throw refused(`the token is not signed with a key of the shared access policy ${JSON.stringify(policy.name)}`);
  }
  const carrier = serviceChoices.writeImpliesRead.value ? CARRIES[right] : undefined;
  if (policy.rights.includes(right) || (carrier !== undefined && policy.rights.includes(carrier))) return;
  throw new ServiceError(
    serviceChoices.missingRight.value,
    undefined,
    `the shared access policy ${JSON.stringify(policy.name)} lacks ${right}; it has ${policy.rights.join(', ') || 'no right'}`,
  );
}

function readToken(authorization: string | undefined): SasToken {
  if (authorization === undefined) throw refused('there is no Authorization header');
  try {
    return parseSas(authorization);
  } catch (error) {
    if (isFault(error)) throw refused(`the Authorization header is no SAS token: ${error.message}`);
    throw error;
  }
}

// Clients that are told HostName=localhost:PORT sign the port with it.
function withoutPort(resource: string): string {
  return resource.replace(/^([^/]+?):\d+(?=\/|$)/, '$1');
}

function refused(reason: string): ServiceError {
  return new ServiceError(serviceChoices.badToken.value, undefined, reason);
}
