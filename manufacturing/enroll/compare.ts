import { isDeepStrictEqual } from 'node:util';
import type { AttestationMechanism, EnrolledCertificate, EnrolmentGroup, IndividualEnrolment } from '@zerotouch/azure-wire/enrolment';
import { readEnrolled } from '../enrol-certificate.js';

type Enrolment = EnrolmentGroup | IndividualEnrolment;

/** The fields, attestation aside, that an enrolment wants otherwise than DPS has them; what it does not name stays as it is. */
export function policyDifferences(wanted: Enrolment, shown: Enrolment): string[] {
  const hubs = (entry: Enrolment) => (entry.iotHubs ?? []).map((host) => host.toLowerCase()).sort();
  const different: string[] = [];
  if ((wanted.provisioningStatus ?? 'enabled') !== (shown.provisioningStatus ?? 'enabled')) different.push('provisioningStatus');
  if (wanted.allocationPolicy !== undefined && wanted.allocationPolicy.toLowerCase() !== shown.allocationPolicy?.toLowerCase())
    different.push('allocationPolicy');
  if (wanted.iotHubs !== undefined && !isDeepStrictEqual(hubs(wanted), hubs(shown))) different.push('iotHubs');
  if (wanted.initialTwin !== undefined && !isDeepStrictEqual(twinOf(wanted), twinOf(shown))) different.push('initialTwin');
  return different;
}

/** Whether two mechanisms prove the same thing; certificates are compared by what they are, not how they are written. */
export function sameAttestation(wanted: AttestationMechanism, shown: AttestationMechanism): boolean {
  if (wanted.type !== shown.type) return false;
  if (wanted.type === 'symmetricKey' && shown.type === 'symmetricKey') {
    const { primaryKey, secondaryKey } = wanted.symmetricKey;
    return primaryKey === shown.symmetricKey?.primaryKey && secondaryKey === shown.symmetricKey?.secondaryKey;
  }
  if (wanted.type === 'x509' && shown.type === 'x509') {
    const [named, shownNames] = [wanted.x509.caReferences, shown.x509?.caReferences];
    if ((['primary', 'secondary'] as const).some((slot) => (named?.[slot] ?? '') !== (shownNames?.[slot] ?? ''))) return false;
    return (['clientCertificates', 'signingCertificates'] as const).every((kind) => {
      const [ours, theirs] = [wanted.x509[kind], shown.x509?.[kind]];
      return (['primary', 'secondary'] as const).every((slot) => thumbprint(ours?.[slot]) === thumbprint(theirs?.[slot]));
    });
  }
  return wanted.type === 'tpm' && shown.type === 'tpm' && wanted.tpm.endorsementKey === shown.tpm?.endorsementKey;
}

/** Whether what reading shows is enough to compare: keys never are, certificates by their thumbprint. */
export function needsMechanism({ type }: AttestationMechanism): boolean {
  return type === 'symmetricKey';
}

function thumbprint(entry: (EnrolledCertificate & { info?: { sha256Thumbprint?: string } }) | null | undefined): string | undefined {
  if (entry === undefined || entry === null) return undefined;
  const { certificate, info } = entry;
  const own = certificate ? readEnrolled({ certificate })?.fingerprint256.replaceAll(':', '') : info?.sha256Thumbprint;
  return own?.toUpperCase();
}

function twinOf({ initialTwin }: Enrolment): unknown {
  const plain = (section: unknown) => {
    if (typeof section !== 'object' || section === null) return {};
    // DPS adds members of its own.
    return Object.fromEntries(
      Object.entries(section).filter(([key]) => !['$version', '$metadata', 'version', 'count', 'metadata'].includes(key)),
    );
  };
  return { tags: plain(initialTwin?.tags), desired: plain(initialTwin?.properties?.desired) };
}
