import { canonicalRegistrationId } from '@zerotouch/azure-wire/ids';
import { nearestWords } from '../nearest.js';
import type { Reason } from '../reasons.js';
import type { Store } from '../store/store.js';

/** Enrolments that are looked at: those next in order to the id, so that a refusal costs the same however many there are. */
const NEIGHBOURS = 200;

/**
 * Adds the nearest individual enrolment to a reason that says there is none. Factories and operators misspell the end of an id more often than
 * its beginning, so those with the same beginning are compared.
 */
export async function withNearestEnrolment(reason: Reason, registrationId: string, store: Store): Promise<Reason> {
  if (reason.rule !== 'no-enrolment') return reason;
  const key = canonicalRegistrationId(registrationId);
  const after = key.slice(0, Math.ceil(key.length / 2));
  const [behind, first] = await Promise.all([
    store.individuals.page({ limit: NEIGHBOURS, after }),
    store.individuals.page({ limit: NEIGHBOURS }),
  ]);
  const ids = [...behind.records, ...first.records].map((enrolment) => enrolment.registrationId);
  const nearest = nearestWords(registrationId, ids);
  if (nearest === undefined)
    return reason.nearest === undefined ? { ...reason, nearest: 'none: there is no individual enrolment' } : reason;
  const words = `individual enrolment ${nearest}`;
  return { ...reason, nearest: reason.nearest === undefined ? words : `${reason.nearest}; ${words}` };
}
