import { parseSas, resourceCovers, type SasToken, verifySas } from '@zerotouch/azure-wire/sas';
import { isFault } from '@zerotouch/foundation/fault';
import { hubChoices } from '../choices.js';
import { nearestWords } from '../nearest.js';
import type { HubRecord, PolicyRecord } from '../store/store.js';

/** A right at the service API of a hub. Source: hub/iot-hub-dev-guide-sas. */
export type HubRight = PolicyRecord['rights'][number];

/** A service that showed a good token: until when, and what it may do. */
export interface ServicePrincipal {
  policy: string;
  rights: readonly HubRight[];
  /** Milliseconds since 1970. */
  expiresAt: number;
}

/**
 * Who a service is, by its token. Pure. Source: hub/iot-hub-dev-guide-sas.
 * @param now milliseconds since 1970
 * @param wanted what it asks for: a token may be for a part of the hub alone, such as `{hub}/devices`
 * @returns why the token is not good, in words for operators, otherwise
 */
export function judgeService(
  hub: HubRecord,
  authorization: string | undefined,
  now: number,
  wanted = hub.host,
): ServicePrincipal | { refused: string } {
  const token = readToken(authorization);
  if ('refused' in token) return token;
  if (!resourceCovers(token.resource, wanted)) return { refused: `the token is for ${JSON.stringify(token.resource)}, this is ${wanted}` };
  if ((token.expiry + hubChoices.serviceClockSkewSeconds.value) * 1000 < now)
    return { refused: `the token expired at ${new Date(token.expiry * 1000).toISOString()}, it is ${new Date(now).toISOString()}` };
  const { keyName = '' } = token;
  if (keyName === '') return { refused: 'the token names no shared access policy (skn): keys of devices are no keys of services' };
  const policy = hub.policies.find(({ name }) => name === keyName);
  if (policy === undefined) {
    const names = hub.policies.map(({ name }) => name);
    return {
      refused: `hub ${hub.host} has no shared access policy ${JSON.stringify(keyName)}; nearest: ${nearestWords(keyName, names) ?? 'none'}`,
    };
  }
  if (![policy.primaryKey, policy.secondaryKey].some((key) => verifySas(token, Buffer.from(key, 'base64'))))
    return {
      refused: `the token is not signed with a key of the shared access policy ${JSON.stringify(policy.name)}: it may have been rotated`,
    };
  return { policy: policy.name, rights: policy.rights, expiresAt: token.expiry * 1000 };
}

/** Why a service may not do what needs this right, or `undefined`. Writing carries reading. */
export function rightFlaw({ policy, rights }: ServicePrincipal, right: HubRight): string | undefined {
  if (rights.includes(right) || (right === 'RegistryRead' && rights.includes('RegistryWrite'))) return undefined;
  return `the shared access policy ${JSON.stringify(policy)} lacks ${right}; it has ${rights.join(', ') || 'no right'}`;
}

function readToken(authorization: string | undefined): SasToken | { refused: string } {
  if (authorization === undefined || authorization === '') return { refused: 'there is no SAS token' };
  try {
    return parseSas(authorization);
  } catch (error) {
    if (isFault(error)) return { refused: `what came is no SAS token: ${error.message}` };
    throw error;
  }
}
