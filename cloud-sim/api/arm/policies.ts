import { parseKey } from '@zerotouch/azure-wire/keys';
import { isFault } from '@zerotouch/foundation/fault';
import { z } from 'zod';
import { ArmError, badRequest } from './errors.js';

/** Shared access policies in the body of a PUT. */
export const authorisationPolicies = z.array(
  z.looseObject({ keyName: z.string().min(1), primaryKey: z.string().nullish(), secondaryKey: z.string().nullish(), rights: z.string() }),
);

/** A shared access policy as a caller writes it; keys left out are kept or generated. */
export interface WantedPolicy<Right extends string> {
  name: string;
  rights: Right[];
  primaryKey?: string;
  secondaryKey?: string;
}

/**
 * Takes apart what the rights are written as: one text, with commas.
 * @param known every right there is, in the order that Azure writes them
 * @throws ArmError 400 for a right that there is not, or a name twice
 */
export function rightsIn<Right extends string>(
  policies: z.infer<typeof authorisationPolicies>,
  known: readonly Right[],
): WantedPolicy<Right>[] {
  const names = policies.map(({ keyName }) => keyName);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw badRequest(`authorizationPolicies hold ${JSON.stringify(twice)} twice`);
  return policies.map(({ keyName, rights, primaryKey, secondaryKey }) => {
    const asked = rights.split(',').map((right) => right.trim().toLowerCase());
    const foreign = asked.find((right) => !known.some((one) => one.toLowerCase() === right));
    if (foreign !== undefined)
      throw badRequest(`policy ${JSON.stringify(keyName)}: there is no right ${JSON.stringify(foreign)}; there are ${known.join(', ')}`);
    for (const key of [primaryKey, secondaryKey]) if (key) checkKey(keyName, key);
    return {
      name: keyName,
      rights: known.filter((right) => asked.includes(right.toLowerCase())),
      ...(primaryKey ? { primaryKey } : {}),
      ...(secondaryKey ? { secondaryKey } : {}),
    };
  });
}

function checkKey(policy: string, key: string): void {
  try {
    parseKey(key);
  } catch (error) {
    if (isFault(error)) throw badRequest(`policy ${JSON.stringify(policy)}: ${error.message}`);
    throw error;
  }
}

/** A policy with its keys, as listkeys shows it. */
export function shownPolicy({ name, rights, primaryKey, secondaryKey }: KeptPolicy): object {
  return { keyName: name, primaryKey, secondaryKey, rights: rights.join(', ') };
}

/** @throws ArmError 404 */
export function policyNamed<T extends { name: string }>(policies: readonly T[], name: string): T {
  const found = policies.find((policy) => policy.name === name);
  if (found !== undefined) return found;
  const names = policies.map((policy) => policy.name).join(', ');
  throw new ArmError(404, 'AuthorizationPolicyNotFound', `there is no shared access policy ${JSON.stringify(name)}; there are ${names}`);
}

interface KeptPolicy {
  name: string;
  rights: readonly string[];
  primaryKey: string;
  secondaryKey: string;
}
