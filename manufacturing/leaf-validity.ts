import type { Clock } from '@zerotouch/foundation/clock';
import { type IssuerChain, validityFrom } from './authority.js';
import type { Validity } from './certificates.js';
import { fieldName } from './faults.js';
import type { SpecWarning } from './plan.js';
import { DEFAULT_LEAF_DAYS, type GroupSpec } from './spec-schema.js';

/** Days that the device certificates of a group are to be good for. */
export function leafDays({ validity }: GroupSpec): number {
  return validity?.days ?? DEFAULT_LEAF_DAYS;
}

/**
 * From when to when the device certificates of a group are good, and what to warn of: where they would outlive a CA above them they end with it,
 * unless the spec wants them to outlive it (`beyondIssuer: warn`); DPS refuses them from then on in any case.
 * @param index of the group in the spec
 */
export function leafValidity(
  group: GroupSpec,
  index: number,
  chain: IssuerChain,
  clock: Clock,
): { validity: Validity; warning?: SpecWarning } {
  const [signer] = chain;
  const first = chain.reduce((one, other) => (endOf(other) < endOf(one) ? other : one), signer);
  const wanted = validityFrom(clock, leafDays(group));
  const notBefore = new Date(Math.max(wanted.notBefore.getTime(), ...chain.map(({ certificate }) => Date.parse(certificate.validFrom))));
  if (wanted.notAfter.getTime() <= endOf(first)) return { validity: { notBefore, notAfter: wanted.notAfter } };
  const where = fieldName(['groups', index, 'validity']);
  const day = (moment: number): string => new Date(moment).toISOString().slice(0, 10);
  const who = `${first.certificate.subject.replaceAll('\n', ', ')} ends on ${day(endOf(first))}`;
  if (group.validity?.beyondIssuer === 'warn') {
    const message = `the device certificates are good until ${day(wanted.notAfter.getTime())}, but ${who}: DPS refuses them from then on (401002)`;
    return { validity: { notBefore, notAfter: wanted.notAfter }, warning: { code: 'LEAF_OUTLIVES_ISSUER', where, message } };
  }
  const message = `the device certificates end with a CA above them, before the ${leafDays(group)} days that were asked for: ${who}`;
  return { validity: { notBefore, notAfter: new Date(endOf(first)) }, warning: { code: 'LEAF_CLAMPED', where, message } };
}

function endOf({ certificate }: { certificate: { validTo: string } }): number {
  return Date.parse(certificate.validTo);
}
