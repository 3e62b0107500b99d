import type { X509Certificate } from 'node:crypto';
import { commonName } from '@zerotouch/azure-wire/common-name';
import type { EnrolmentGroup, IndividualEnrolment } from '@zerotouch/azure-wire/enrolment';
import { dpsErrors, type ServiceErrorEntry } from '@zerotouch/azure-wire/errors';
import { canonicalRegistrationId } from '@zerotouch/azure-wire/ids';
import { certificateInfo, isIssuedBy, issuerLine, readCertificate, subjectLine, thumbprint, validityAt } from '../certificates.js';
import { dpsChoices } from '../choices.js';
import type { PresentedCertificate } from '../credentials.js';
import { difference, editDistance } from '../nearest.js';
import { listed, type Reason } from '../reasons.js';
import type { CertificateRecord } from '../store/store.js';
import { climb } from './chain.js';
import type { Claim, Ground, Verdict } from './claim.js';
import { pair } from './enrolments.js';

/**
 * Judges a claim that comes with a client certificate: individual enrolment first, then the group of the nearest issuer, up to the
 * root; the first match decides. Pure. Source: iot-dps/concepts-x509-attestation.
 */
export function attestByCertificate({ registrationId }: Claim, presented: PresentedCertificate, ground: Ground): Verdict {
  const flaw = leafFlaw(presented.leaf, registrationId, ground.now);
  if (flaw !== undefined) return refuse(flaw);
  return ground.individual === undefined ? byGroup(presented, ground) : byIndividual(ground.individual, presented.leaf);
}

function byIndividual(enrolment: IndividualEnrolment, leaf: X509Certificate): Verdict {
  const name = `individual enrolment ${JSON.stringify(enrolment.registrationId)}`;
  if (enrolment.attestation.type !== 'x509') {
    return refuse(
      {
        rule: 'attestation-kind',
        text: `${name} asks for ${enrolment.attestation.type === 'tpm' ? 'the endorsement key of a TPM' : 'a symmetric key'}, the device sent a client certificate and no SAS token`,
        seen: 'a client certificate',
        expected: `attestation by ${enrolment.attestation.type}: an individual enrolment decides before any group`,
        nearest: `an individual enrolment ${JSON.stringify(enrolment.registrationId)} with attestation by x509`,
        remedy: 'present what is enrolled, or change the enrolment',
      },
      dpsChoices.wrongAttestationKind.value,
    );
  }
  const prints = pair(enrolment.attestation.x509.clientCertificates).map(({ certificate }) =>
    thumbprint(readCertificate(certificate, name)),
  );
  const [primaryThumbprint = '', secondaryThumbprint = primaryThumbprint] = prints;
  if (!prints.includes(thumbprint(leaf))) {
    return refuse({
      rule: 'x509-other-certificate',
      text: `the leaf is not a certificate of ${name}`,
      seen: `thumbprint ${thumbprint(leaf)}`,
      expected: `thumbprint ${prints.join(' or ')}`,
      nearest: `the enrolled certificate; ${difference(thumbprint(leaf), prints[0] ?? '')}`,
      remedy: "enrol the device's present certificate, or delete the individual enrolment if a group shall decide",
    });
  }
  return {
    admitted: {
      source: { kind: 'individual', enrolment },
      authentication: { type: 'selfSigned', primaryThumbprint, secondaryThumbprint },
      x509: { certificateInfo: certificateInfo(leaf) },
    },
  };
}

function byGroup({ leaf, sent }: PresentedCertificate, ground: Ground): Verdict {
  const proved = ground.certificates.filter(({ verified }) => verified).map(read);
  const trusting = groupsByIssuer(ground);
  const chain = climb(leaf, [...sent], proved, ground.now);
  for (const { certificate, proved: anchored } of chain.issuers) {
    const enrolment = trusting.get(thumbprint(certificate))?.group;
    if (enrolment === undefined) continue;
    if (!anchored) return refuse(noProof(enrolment, certificate));
    const print = thumbprint(leaf);
    return {
      admitted: {
        source: { kind: 'group', enrolment },
        authentication: { type: 'selfSigned', primaryThumbprint: print, secondaryThumbprint: print },
        x509: { certificateInfo: certificateInfo(leaf), signingCertificateInfo: certificateInfo(certificate) },
      },
    };
  }
  if (chain.unfit.length > 0) {
    const expired = chain.unfit.every((line) => line.endsWith('expired'));
    return refuse({
      rule: expired ? 'x509-ca-expired' : 'x509-chain-invalid',
      seen: chain.unfit[0] ?? '',
      nearest: expired ? 'the same chain with a CA certificate renewed under the same key' : 'a chain without that certificate',
      text: `the chain of the leaf leads over a certificate that may not sign: ${chain.unfit.join('; ')}`,
      expected: 'CA certificates that are valid now, up to a CA whose possession was proved',
      remedy: 'renew the CA certificate, and the leaves under it',
    });
  }
  return refuse(whyNoGroup({ leaf, sent }, ground, trusting, proved));
}

// No group matched: what would have matched if the device had sent more, or if more had been proved, tells the reason.
function whyNoGroup(
  { leaf, sent }: PresentedCertificate,
  ground: Ground,
  trusting: ReadonlyMap<string, { group: EnrolmentGroup; issuer: X509Certificate }>,
  proved: readonly X509Certificate[],
): Reason {
  const trusted = [...trusting.values()];
  const wider = climb(leaf, [...sent, ...trusted.map(({ issuer }) => issuer)], proved, ground.now);
  for (const { certificate, proved: anchored } of wider.issuers) {
    const match = trusting.get(thumbprint(certificate));
    if (match === undefined) continue;
    return anchored
      ? gap(
          leaf,
          sent,
          `${subjectLine(certificate)}, which enrolment group ${quoted(match.group)} trusts, was not sent`,
          `the same leaf, sent with ${subjectLine(certificate)} and all between`,
        )
      : noProof(match.group, certificate);
  }
  const impostor = sameName([leaf, ...wider.issuers.map(({ certificate }) => certificate)], trusted);
  if (impostor !== undefined) return impostor;
  const top = wider.issuers.at(-1)?.certificate ?? leaf;
  const anchored = wider.issuers.some((issuer) => issuer.proved);
  if (!anchored && top.issuer !== top.subject)
    return gap(leaf, sent, `nobody knows ${issuerLine(top)}, the issuer of ${subjectLine(top)}`, nearestGroup([issuerLine(top)], trusted));
  const names = trusted.map(({ group, issuer }) => `${group.enrollmentGroupId} (${subjectLine(issuer)})`);
  return {
    rule: 'no-enrolment',
    nearest: nearestGroup(
      wider.issuers.map(({ certificate }) => subjectLine(certificate)),
      trusted,
    ),
    text: `the leaf's certificates are verified, but no enrolment group trusts any of its issuers, and there is no individual enrolment`,
    seen: `issuers ${listed(wider.issuers.map(({ certificate }) => subjectLine(certificate)))}`,
    expected: names.length === 0 ? 'an X.509 enrolment group; there is none' : `an issuer that a group trusts: ${listed(names)}`,
    remedy: 'create an enrolment group for the line that made this device, or import the enrolments of its batch',
  };
}

function leafFlaw(leaf: X509Certificate, registrationId: string, now: number): Reason | undefined {
  const name = commonName(leaf);
  if (name === undefined || canonicalRegistrationId(name) !== canonicalRegistrationId(registrationId)) {
    return {
      rule: 'x509-common-name',
      text: "the leaf's common name is not the registration id",
      seen: name ?? 'no single common name',
      expected: registrationId,
      nearest:
        name === undefined ? 'a leaf with one common name' : `registration id ${JSON.stringify(name)}; ${difference(registrationId, name)}`,
      remedy: 'register under the common name of the certificate',
    };
  }
  const validity = validityAt(leaf, now);
  if (validity === 'valid') return undefined;
  const clock = `by the clock of the service, ${new Date(now).toISOString()}`;
  return validity === 'expired'
    ? {
        rule: 'x509-expired',
        text: 'the leaf is expired',
        seen: leaf.validTo,
        expected: `later, ${clock}`,
        nearest: `the same leaf before ${leaf.validTo}`,
        remedy: 'issue a new certificate',
      }
    : {
        rule: 'x509-not-yet-valid',
        text: 'the leaf is not yet valid',
        seen: leaf.validFrom,
        expected: `earlier, ${clock}`,
        nearest: `the same leaf after ${leaf.validFrom}`,
        remedy: "check the factory's clock",
      };
}

// Later groups are entered first: for an issuer that several groups trust, the first by id stays.
function groupsByIssuer({ groups, certificates }: Ground): Map<string, { group: EnrolmentGroup; issuer: X509Certificate }> {
  const byName = new Map(certificates.map((record) => [record.name, record]));
  const found = new Map<string, { group: EnrolmentGroup; issuer: X509Certificate }>();
  for (const group of groups.toReversed()) {
    if (group.attestation.type !== 'x509') continue;
    const { signingCertificates, caReferences } = group.attestation.x509;
    const signing = pair(signingCertificates).map(({ certificate }) => readCertificate(certificate, group.enrollmentGroupId));
    const referred = pair(caReferences)
      .flatMap((name) => byName.get(name) ?? [])
      .map(read);
    for (const issuer of [...signing, ...referred]) found.set(thumbprint(issuer), { group, issuer });
  }
  return found;
}

function read({ certificate, name }: CertificateRecord): X509Certificate {
  return readCertificate(certificate, name);
}

function noProof(group: EnrolmentGroup, issuer: X509Certificate): Reason {
  return {
    rule: 'x509-no-proof',
    text: `enrolment group ${quoted(group)} trusts the issuer, but nobody proved possession of its key or of a CA above it`,
    seen: subjectLine(issuer),
    expected: 'a CA certificate with proof of possession in the chain',
    nearest: `the same certificate ${subjectLine(issuer)}, with its possession proved`,
    remedy: 'upload the CA certificate together with its verification certificate',
  };
}

function gap(leaf: X509Certificate, sent: readonly X509Certificate[], missing: string, nearest: string): Reason {
  return {
    rule: 'x509-chain-gap',
    nearest,
    text: `the chain that the device sent has a gap: ${missing}`,
    seen: sent.length === 0 ? `the leaf alone, issued by ${issuerLine(leaf)}` : `the leaf and ${listed(sent.map(subjectLine))}`,
    expected: 'the leaf and every intermediate up to a CA whose possession was proved',
    remedy: "send the chain, or upload the leaf's issuer to DPS with its proof of possession",
  };
}

interface Trusted {
  group: EnrolmentGroup;
  issuer: X509Certificate;
}

/** The group whose issuer's name is closest to one of these. */
function nearestGroup(subjects: readonly string[], trusted: readonly Trusted[]): string {
  let best: { words: string; distance: number } | undefined;
  for (const { group, issuer } of trusted) {
    const wanted = subjectLine(issuer);
    for (const subject of subjects.length === 0 ? [''] : subjects) {
      const distance = editDistance(subject, wanted);
      if (best !== undefined && distance >= best.distance) continue;
      best = { distance, words: `enrolment group ${quoted(group)} (${wanted}): the issuer ${subject} ${difference(subject, wanted)}` };
    }
  }
  return best?.words ?? 'none: there is no X.509 enrolment group';
}

/** An issuer that bears the name of a trusted one and has another key: the CA was made anew, or somebody pretends. */
function sameName(certificates: readonly X509Certificate[], trusted: readonly Trusted[]): Reason | undefined {
  for (const certificate of certificates) {
    const match = trusted.find(({ issuer }) => issuer.subject === certificate.issuer && !isIssuedBy(certificate, issuer));
    if (match === undefined) continue;
    return {
      rule: 'x509-same-name',
      text: `the issuer of ${subjectLine(certificate)} has the name that enrolment group ${quoted(match.group)} trusts, but not its key`,
      seen: `${issuerLine(certificate)} with another key`,
      expected: `a signature by the ${subjectLine(match.issuer)} with thumbprint ${thumbprint(match.issuer)}`,
      nearest: `enrolment group ${quoted(match.group)}; same name, another key`,
      remedy: 'if the CA was made anew, upload the new certificate, prove its possession, and make it the secondary one of the group',
    };
  }
  return undefined;
}

function quoted(group: EnrolmentGroup): string {
  return JSON.stringify(group.enrollmentGroupId);
}

function refuse(
  reason: Reason,
  error: ServiceErrorEntry = reason.rule === 'no-enrolment' ? dpsChoices.noEnrolmentForCertificate.value : dpsErrors.invalidCertificate,
): Verdict {
  return { refused: { error, reason } };
}
