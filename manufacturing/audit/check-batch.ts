import type { X509Certificate } from 'node:crypto';
import { commonName } from '@zerotouch/azure-wire/common-name';
import type { EnrolmentFile, EnrolmentGroup, IndividualEnrolment, ProvedCertificate } from '@zerotouch/azure-wire/enrolment';
import { canonicalRegistrationId, registrationIdProblem } from '@zerotouch/azure-wire/ids';
import { readEnrolled } from '../enrol-certificate.js';
import { signersOf } from './check-enrolment.js';
import { checkCloud } from './check-names.js';
import type { AuditContext } from './context.js';
import type { Tell } from './findings.js';

/** What is wrong with the enrolments of a batch by themselves. */
export function checkEnrolments(file: EnrolmentFile, context: AuditContext, intermediates: readonly X509Certificate[], tell: Tell): void {
  const claimed = new Map<string, string>();
  const proved = file.certificates.flatMap((certificate) => provedBy(certificate, tell));
  for (const group of file.enrollmentGroups) {
    const where = `enrolment group ${group.enrollmentGroupId}`;
    const problem = registrationIdProblem(group.enrollmentGroupId);
    if (problem !== undefined) tell('GROUP_ID_BAD', where, `it ${problem}`);
    else if (group.enrollmentGroupId !== canonicalRegistrationId(group.enrollmentGroupId)) tell('ID_UPPER_CASE', where);
    checkPolicy(group, where, context, tell);
    for (const signer of signersOf(group.attestation, file)) {
      if (signer === undefined) {
        tell('ENROLMENTS_UNREADABLE', where, 'its signing certificate cannot be read');
        continue;
      }
      const other = claimed.get(signer.fingerprint256);
      if (other !== undefined && other !== group.enrollmentGroupId) tell('ENROLMENT_AMBIGUOUS', where, `so does ${other}`);
      claimed.set(signer.fingerprint256, group.enrollmentGroupId);
      if (!isBelow(signer, proved, intermediates))
        tell('CA_UNPROVED', where, `no proved CA is at or above ${signer.subject.replaceAll('\n', ', ')}`);
    }
  }
  for (const individual of file.enrollments) checkPolicy(individual, `enrolment ${individual.registrationId}`, context, tell);
}

/** Whether a proved CA is at or above a certificate, over the intermediates that are known. */
function isBelow(certificate: X509Certificate, proved: readonly X509Certificate[], intermediates: readonly X509Certificate[]): boolean {
  const issued = (ca: X509Certificate): boolean => certificate.checkIssued(ca) && certificate.verify(ca.publicKey);
  if (proved.some((ca) => ca.fingerprint256 === certificate.fingerprint256 || issued(ca))) return true;
  const above = intermediates.find((ca) => ca.fingerprint256 !== certificate.fingerprint256 && issued(ca));
  const others = intermediates.filter((ca) => ca !== above);
  return above !== undefined && isBelow(above, proved, others);
}

function checkPolicy(enrolment: EnrolmentGroup | IndividualEnrolment, where: string, context: AuditContext, tell: Tell): void {
  const { provisioningStatus, allocationPolicy, iotHubs = [] } = enrolment;
  if (provisioningStatus === 'disabled') tell('ENROLMENT_DISABLED', where);
  if (allocationPolicy === 'static' && iotHubs.length !== 1) tell('ALLOCATION_INCOMPLETE', where, `static, and ${iotHubs.length} hubs`);
  if (allocationPolicy === 'custom' && !('customAllocationDefinition' in enrolment))
    tell('ALLOCATION_INCOMPLETE', where, 'custom, and no webhook');
  for (const hub of iotHubs) checkCloud(hub, where, context, tell);
}

function provedBy(certificate: ProvedCertificate, tell: Tell): X509Certificate[] {
  const where = `CA certificate ${certificate.name}`;
  const ca = readEnrolled(certificate);
  if (ca === undefined) {
    tell('ENROLMENTS_UNREADABLE', where, 'it cannot be read');
    return [];
  }
  const proof = readEnrolled({ certificate: certificate.verification?.certificate ?? '' });
  if (proof === undefined) tell('CA_UNPROVED', where, 'the proof cannot be read');
  else if (commonName(proof) !== certificate.verification.code) tell('CA_UNPROVED', where, 'the proof is for another code');
  else if (!proof.checkIssued(ca) || !proof.verify(ca.publicKey)) tell('CA_UNPROVED', where, 'another key signed the proof');
  else return [ca];
  return [];
}
