import type { X509Certificate } from 'node:crypto';
import type { AttestationMechanism, EnrolmentFile, EnrolmentGroup, IndividualEnrolment } from '@zerotouch/azure-wire/enrolment';
import { canonicalRegistrationId } from '@zerotouch/azure-wire/ids';
import { deriveDeviceKey } from '@zerotouch/azure-wire/keys';
import { readEnrolled } from '../enrol-certificate.js';
import type { CertificateFacts } from './certificate-facts.js';
import type { Tell } from './findings.js';
import type { ImageFacts } from './image-facts.js';

/** The enrolments of a batch, made ready to be asked device by device. Holds secrets. */
export class EnrolmentIndex {
  readonly #individuals: ReadonlyMap<string, IndividualEnrolment>;
  readonly #groups: readonly { group: EnrolmentGroup; keys: readonly Buffer[]; signers: ReadonlySet<string> }[];

  constructor(file: EnrolmentFile) {
    this.#individuals = new Map(file.enrollments.map((entry) => [canonicalRegistrationId(entry.registrationId), entry]));
    this.#groups = file.enrollmentGroups.map((group) => ({
      group,
      keys: keysOf(group.attestation),
      signers: new Set(signersOf(group.attestation, file).flatMap((certificate) => certificate?.fingerprint256 ?? [])),
    }));
  }

  /** Whether a device proves itself with a TPM, so that no credential is burnt. */
  isTpm(registrationId: string): boolean {
    return this.#individuals.get(canonicalRegistrationId(registrationId))?.attestation.type === 'tpm';
  }

  /** What is wrong with an image seen from its enrolment. */
  check({ file, factory, certificates }: ImageFacts, identity: CertificateFacts | undefined, tell: Tell): void {
    this.#checkGroupKeys(file.bytes, factory?.symmetricKey, tell);
    if (factory === undefined) return;
    const { registrationId, symmetricKey } = factory;
    const individual = this.#individuals.get(canonicalRegistrationId(registrationId));
    if (individual !== undefined) {
      checkIndividual(individual, identity, symmetricKey, tell);
      return;
    }
    if (certificates?.device !== undefined) {
      if (identity === undefined) return;
      const links = [...identity.chain.slice(1), ...(identity.ca === undefined ? [] : [identity.ca])];
      const lettingIn = this.#groups.some(({ signers }) => links.some(({ fingerprint256 }) => signers.has(fingerprint256)));
      if (!lettingIn) tell('NOT_ENROLLED', 'enrolments.json', `${registrationId}, and no group has an issuer of its chain`);
    } else if (symmetricKey !== undefined) this.#checkDerived(registrationId, symmetricKey, tell);
  }

  #checkDerived(registrationId: string, key: Uint8Array, tell: Tell): void {
    const keys = this.#groups.flatMap((group) => group.keys);
    if (keys.length === 0) {
      tell('NOT_ENROLLED', 'enrolments.json', registrationId);
      return;
    }
    const derivedFrom = (id: string) => keys.some((groupKey) => deriveDeviceKey(groupKey, id).equals(key));
    // The group key itself is told by its own code.
    if (derivedFrom(registrationId) || keys.some((groupKey) => groupKey.equals(key))) return;
    const lower = derivedFrom(canonicalRegistrationId(registrationId));
    tell('KEY_NOT_ENROLLED', 'partition fctry, dps/sym_key', lower ? 'it was derived for the id in lower case' : undefined);
  }

  #checkGroupKeys(bytes: Buffer, key: Uint8Array | undefined, tell: Tell): void {
    for (const { group, keys } of this.#groups) {
      for (const groupKey of keys) {
        const texts = [groupKey.toString('base64'), groupKey.toString('hex')];
        if (key !== undefined && groupKey.equals(key))
          tell('GROUP_KEY_UNDILUTED', 'partition fctry, dps/sym_key', `group ${group.enrollmentGroupId}`);
        else if (bytes.includes(groupKey) || texts.some((text) => bytes.includes(text)))
          tell('GROUP_KEY_IN_IMAGE', 'image', `group ${group.enrollmentGroupId}`);
      }
    }
  }
}

/** The certificates that a group's devices must hang below; `undefined` in the place of one that cannot be read. */
export function signersOf(attestation: AttestationMechanism, file: EnrolmentFile): (X509Certificate | undefined)[] {
  if (attestation.type !== 'x509') return [];
  const { signingCertificates: own, caReferences: names } = attestation.x509;
  const named = [names?.primary, names?.secondary].filter((name) => name !== undefined);
  const referred = named.map((name) => file.certificates.find((certificate) => certificate.name === name));
  const given = [own?.primary, own?.secondary].filter((certificate) => certificate !== undefined);
  return [...given, ...referred].map((certificate) => (certificate === undefined ? undefined : readEnrolled(certificate)));
}

function checkIndividual(
  individual: IndividualEnrolment,
  identity: CertificateFacts | undefined,
  key: Uint8Array | undefined,
  tell: Tell,
): void {
  const { attestation, registrationId } = individual;
  if (attestation.type === 'symmetricKey') {
    if (key !== undefined && !keysOf(attestation).some((own) => own.equals(key))) tell('KEY_NOT_ENROLLED', 'partition fctry, dps/sym_key');
    if (key === undefined)
      tell('NOT_ENROLLED', 'enrolments.json', `${registrationId} is enrolled with a symmetric key, and the image has none`);
  } else if (attestation.type === 'x509') {
    const { primary, secondary } = attestation.x509.clientCertificates ?? {};
    const enrolled = [primary, secondary].flatMap((entry) => (entry === undefined ? [] : (readEnrolled(entry)?.fingerprint256 ?? [])));
    if (identity === undefined || !enrolled.includes(identity.leaf.fingerprint256)) {
      tell('NOT_ENROLLED', 'enrolments.json', `${registrationId} is enrolled with another certificate`);
    }
  }
}

function keysOf(attestation: AttestationMechanism): Buffer[] {
  if (attestation.type !== 'symmetricKey') return [];
  const { primaryKey, secondaryKey } = attestation.symmetricKey;
  // An empty key would be found in every image.
  return [primaryKey, secondaryKey]
    .filter((key) => key !== undefined)
    .map((key) => Buffer.from(key, 'base64'))
    .filter((key) => key.length > 0);
}
