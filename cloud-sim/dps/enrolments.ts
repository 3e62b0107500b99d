import type { AttestationMechanism, EnrolmentGroup, IndividualEnrolment } from '@zerotouch/azure-wire/enrolment';
import { timestampUtc } from '@zerotouch/azure-wire/errors';
import { canonicalRegistrationId } from '@zerotouch/azure-wire/ids';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import { readCertificate } from '../certificates.js';
import { CloudFault } from '../faults.js';
import { type LimitValues, limitValues } from '../limits.js';
import { Quota } from '../quota.js';
import type { Store, Tables } from '../store/store.js';
import { etag, generatedKey } from '../unique.js';
import { Authorities } from './authorities.js';
import { parseGroup, parseIndividual, parseProved } from './enrolment-schema.js';
import { readAuthority, verifyPossession } from './possession.js';

/** What a write did. */
export type Written = 'created' | 'updated' | 'unchanged';

/** What must hold of the enrolment that is there, besides the etag that the written one may carry. */
export type WriteCondition = 'absent' | 'present';

type Enrolment = EnrolmentGroup | IndividualEnrolment;

/** What the enrolments work with. */
export interface EnrolmentsParts {
  store: Tables;
  clock: Clock;
  entropy: Entropy;
  /** Default: none. */
  limits?: LimitValues;
}

/** The enrolments and CA certificates of DPS: what is written is checked and completed here. */
export class Enrolments {
  /** The CA certificates alone. */
  readonly authorities: Authorities;
  readonly #store: Tables;
  readonly #clock: Clock;
  readonly #entropy: Entropy;
  readonly #limits: LimitValues;
  #individuals: Quota;

  constructor({ store, clock, entropy, limits = limitValues('off') }: EnrolmentsParts) {
    this.#store = store;
    this.#clock = clock;
    this.#entropy = entropy;
    this.#limits = limits;
    this.authorities = new Authorities({ store, clock, entropy, limits });
    this.#individuals = new Quota(limits.individualEnrolments, () => store.individuals.count());
  }

  /** Runs a step that writes many as one: all of it is kept, or nothing when it throws. @param store the one these enrolments are in */
  async together<R>(store: Store, work: (enrolments: Enrolments) => Promise<R>): Promise<R> {
    const parts = { clock: this.#clock, entropy: this.#entropy, limits: this.#limits };
    const result = await store.together((tables) => work(new Enrolments({ ...parts, store: tables })));
    // How many there are now was counted by the others.
    this.#individuals = new Quota(this.#limits.individualEnrolments, () => this.#store.individuals.count());
    return result;
  }

  /** @throws CloudFault BAD_ENROLMENT, NOT_SERVED, CERTIFICATE_UNREADABLE, CERTIFICATE_UNPROVED, CERTIFICATE_UNKNOWN, ETAG_MISMATCH, ENROLMENT_EXISTS, UNKNOWN_ENROLMENT */
  async putGroup(value: EnrolmentGroup, condition?: WriteCondition): Promise<{ written: Written; enrolment: EnrolmentGroup }> {
    const group = this.checkGroup(value);
    await this.#checkReferences(group);
    await this.#checkGroups(group);
    return this.#put(this.#store.groups, group.enrollmentGroupId, group, condition);
  }

  /** @throws CloudFault BAD_ENROLMENT, NOT_SERVED, CERTIFICATE_UNREADABLE, ETAG_MISMATCH, ENROLMENT_EXISTS, UNKNOWN_ENROLMENT */
  async putIndividual(
    value: IndividualEnrolment,
    condition?: WriteCondition,
  ): Promise<{ written: Written; enrolment: IndividualEnrolment }> {
    const individual = this.checkIndividual(value);
    const key = canonicalRegistrationId(individual.registrationId);
    if ((await this.#individuals.isUsedUp()) && (await this.#store.individuals.get(key)) === undefined) {
      throw limitReached('individual enrolments', this.#limits.individualEnrolments);
    }
    const put = await this.#put(this.#store.individuals, key, individual, condition);
    if (put.written === 'created') this.#individuals.use();
    return put;
  }

  /** A group with everything checked that needs no store. */
  checkGroup(value: unknown): EnrolmentGroup {
    const group = parseGroup(value);
    const where = `enrolment group ${JSON.stringify(group.enrollmentGroupId)}`;
    if (group.attestation.type === 'x509') {
      for (const signing of pair(group.attestation.x509.signingCertificates)) readAuthority(signing.certificate, where);
    }
    return group;
  }

  /** An individual enrolment with everything checked that needs no store. */
  checkIndividual(value: unknown): IndividualEnrolment {
    const individual = parseIndividual(value);
    const where = `individual enrolment ${JSON.stringify(individual.registrationId)}`;
    if (individual.attestation.type === 'x509') {
      for (const client of pair(individual.attestation.x509.clientCertificates)) readCertificate(client.certificate, where);
    }
    return individual;
  }

  /**
   * Keeps a CA certificate; with a verification only if that proves possession of its key, without one as not proved.
   * @throws CloudFault BAD_ENROLMENT, CERTIFICATE_UNPROVED, CERTIFICATE_UNREADABLE, LIMIT_REACHED
   */
  async putCertificate({ name, certificate, verification }: { name: string; certificate: string; verification?: unknown }): Promise<void> {
    if (verification !== undefined) verifyPossession(parseProved({ name, certificate, verification }));
    await this.authorities.upload(name, certificate, { isVerified: verification !== undefined });
  }

  async #checkGroups({ enrollmentGroupId, attestation: { type } }: EnrolmentGroup): Promise<void> {
    const limit = type === 'x509' ? this.#limits.x509Groups : this.#limits.symmetricKeyGroups;
    if (limit === Number.POSITIVE_INFINITY || (await this.#store.groups.count()) < limit) return;
    const others = (await this.#store.groups.list()).filter((group) => group.attestation.type === type);
    if (others.length < limit || others.some((group) => group.enrollmentGroupId === enrollmentGroupId)) return;
    throw limitReached(type === 'x509' ? 'X.509 enrolment groups' : 'symmetric-key enrolment groups', limit);
  }

  async #checkReferences(group: EnrolmentGroup): Promise<void> {
    if (group.attestation.type !== 'x509') return;
    for (const name of pair(group.attestation.x509.caReferences)) {
      if ((await this.#store.certificates.get(name)) === undefined) throw unknownReference(group.enrollmentGroupId, name);
    }
  }

  async #put<T extends Enrolment>(
    table: Store['groups'] | Store['individuals'],
    key: string,
    value: T,
    condition: WriteCondition | undefined,
  ): Promise<{ written: Written; enrolment: T }> {
    const now = timestampUtc(this.#clock.now());
    const fresh = etag(this.#entropy);
    let written: Written = 'created';
    const update = (current: Enrolment | undefined): Enrolment => {
      checkCondition(condition, key, current);
      if (value.etag !== undefined && value.etag !== current?.etag) {
        throw new CloudFault('ETAG_MISMATCH', 'the enrolment has changed since it was read', {
          where: key,
          seen: value.etag,
          expected: current?.etag ?? 'no etag: there is no such enrolment',
          remedy: 'read it again, or leave the etag out to overwrite it',
        });
      }
      const completed = { ...value, attestation: this.#completeKeys(value.attestation, current?.attestation) };
      if (current !== undefined && sameContent(current, completed)) {
        written = 'unchanged';
        return current;
      }
      written = current === undefined ? 'created' : 'updated';
      return { ...completed, etag: fresh, createdDateTimeUtc: current?.createdDateTimeUtc ?? now, lastUpdatedDateTimeUtc: now };
    };
    const enrolment = await (table as { update(key: string, change: typeof update): Promise<Enrolment> }).update(key, update);
    return { written, enrolment: enrolment as T };
  }

  // Keys left out are generated once, and stay when the enrolment is written again without them.
  #completeKeys(attestation: AttestationMechanism, current: AttestationMechanism | undefined): AttestationMechanism {
    if (attestation.type !== 'symmetricKey') return attestation;
    const kept = current?.type === 'symmetricKey' ? current.symmetricKey : {};
    return {
      type: 'symmetricKey',
      symmetricKey: {
        primaryKey: attestation.symmetricKey.primaryKey ?? kept.primaryKey ?? generatedKey(this.#entropy),
        secondaryKey: attestation.symmetricKey.secondaryKey ?? kept.secondaryKey ?? generatedKey(this.#entropy),
      },
    };
  }
}

function limitReached(what: string, limit: number): CloudFault {
  return new CloudFault('LIMIT_REACHED', `no more ${what} are taken`, {
    seen: `${limit} ${what}`,
    expected: `at most ${limit}, as Azure has it`,
    remedy: 'delete some, or change the option limits of the local cloud',
  });
}

function checkCondition(condition: WriteCondition | undefined, key: string, current: Enrolment | undefined): void {
  if (condition === 'absent' && current !== undefined) {
    throw new CloudFault('ENROLMENT_EXISTS', 'there is such an enrolment already', {
      where: key,
      remedy: 'read it and write it with its etag, or with * to overwrite it',
    });
  }
  if (condition === 'present' && current === undefined) {
    throw new CloudFault('UNKNOWN_ENROLMENT', 'there is no such enrolment', { where: key });
  }
}

/** A group refers to a CA certificate that DPS does not have. */
export function unknownReference(enrollmentGroupId: string, name: string): CloudFault {
  return new CloudFault('CERTIFICATE_UNKNOWN', `there is no CA certificate ${JSON.stringify(name)}`, {
    where: `enrolment group ${JSON.stringify(enrollmentGroupId)}, caReferences`,
    remedy: 'upload the certificate first',
  });
}

/** Both of a primary and a secondary, those that are there. */
export function pair<T>(of: { primary?: T; secondary?: T } | undefined): T[] {
  return [of?.primary, of?.secondary].filter((item) => item !== undefined);
}

function sameContent(a: Enrolment, b: Enrolment): boolean {
  const content = ({ etag: _, createdDateTimeUtc: __, lastUpdatedDateTimeUtc: ___, ...rest }: Enrolment) => JSON.stringify(sorted(rest));
  return content(a) === content(b);
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => [key, sorted(member)]),
  );
}
