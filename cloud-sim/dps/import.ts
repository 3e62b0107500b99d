import type { EnrolmentFile } from '@zerotouch/azure-wire/enrolment';
import { CloudFault } from '../faults.js';
import type { Store } from '../store/store.js';
import { parseEnrolmentFile } from './enrolment-schema.js';
import { type Enrolments, pair, unknownReference, type Written } from './enrolments.js';
import { verifyPossession } from './possession.js';

/** What an import did; one count of each enrolment (group or individual). */
export interface ImportSummary {
  batch: string;
  /** CA certificates whose proof of possession was verified. */
  certificates: number;
  created: number;
  updated: number;
  unchanged: number;
}

/**
 * Takes the enrolments of a burnt batch. Everything is checked before anything is written.
 * @throws CloudFault BAD_ENROLMENT, ID_SCOPE_MISMATCH, CERTIFICATE_UNPROVED, CERTIFICATE_UNKNOWN, CERTIFICATE_UNREADABLE, NOT_SERVED
 */
export async function importEnrolments(
  input: EnrolmentFile,
  { store, enrolments, idScope }: { store: Store; enrolments: Enrolments; idScope: string },
): Promise<ImportSummary> {
  const file = parseEnrolmentFile(input);
  if (file.idScope !== idScope) {
    throw new CloudFault('ID_SCOPE_MISMATCH', `batch ${JSON.stringify(file.batch)} was burnt for another ID scope`, {
      where: 'enrolments > idScope',
      seen: file.idScope,
      expected: idScope,
      remedy: 'burn the batch for this scope, or start the cloud with the scope of the batch',
    });
  }
  for (const certificate of file.certificates) verifyPossession(certificate);
  const names = new Set(file.certificates.map(({ name }) => name));
  for (const group of file.enrollmentGroups) {
    enrolments.checkGroup(group);
    if (group.attestation.type !== 'x509') continue;
    for (const name of pair(group.attestation.x509.caReferences)) {
      if (!names.has(name) && (await store.certificates.get(name)) === undefined) throw unknownReference(group.enrollmentGroupId, name);
    }
  }
  for (const individual of file.enrollments) enrolments.checkIndividual(individual);

  const counts: Record<Written, number> = { created: 0, updated: 0, unchanged: 0 };
  await enrolments.together(store, (writing) => write(file, writing, counts));
  return { batch: file.batch, certificates: file.certificates.length, ...counts };
}

async function write(file: EnrolmentFile, enrolments: Enrolments, counts: Record<Written, number>): Promise<void> {
  for (const certificate of file.certificates) await enrolments.putCertificate(certificate);
  // A file that was edited or exported carries etags of another cloud: what it says overwrites what is here.
  for (const { etag: _, ...group } of file.enrollmentGroups) counts[(await enrolments.putGroup(group)).written]++;
  for (const { etag: _, ...individual } of file.enrollments) counts[(await enrolments.putIndividual(individual)).written]++;
}
