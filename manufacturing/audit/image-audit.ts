import type { Layout } from '@zerotouch/flash-image/layout';
import { readCertificates } from './certificate-facts.js';
import { checkChain, checkReplaced } from './check-chain.js';
import type { EnrolmentIndex } from './check-enrolment.js';
import { checkFlash } from './check-flash.js';
import { checkKeys } from './check-keys.js';
import { checkRecord, type DeviceRecord } from './check-manifest.js';
import { checkNames } from './check-names.js';
import { checkServerRoots } from './check-server-roots.js';
import type { AuditContext } from './context.js';
import { type Finding, tellInto } from './findings.js';
import { type ImageFile, readFacts } from './image-facts.js';
import type { SpecIndex } from './spec-index.js';
import type { Uniques } from './uniques.js';

/** What an image is compared with, beside itself; what is absent is not compared. */
export interface Company {
  layout?: Layout | undefined;
  /** The hash of the partition table that the manifest names; a layout goes before it. */
  partitionTable?: string | undefined;
  enrolments?: EnrolmentIndex | undefined;
  spec?: SpecIndex | undefined;
  uniques?: Uniques | undefined;
  /** Fingerprints of CAs that the ledger has as replaced. */
  replaced?: ReadonlySet<string> | undefined;
  /** Its entry in the manifest. */
  record?: DeviceRecord | undefined;
  /** Finds the entry by the registration id where the path does not tell; `null`: there is a manifest, and it has none. */
  recordOf?: ((registrationId: string) => DeviceRecord | null) | undefined;
}

/** Everything that is wrong with one image. Pure, and never throws for what is in the image. */
export function auditImage(file: ImageFile, context: AuditContext, company: Company = {}): Finding[] {
  const findings: Finding[] = [];
  const tell = tellInto(findings, file.path);
  const facts = readFacts(file, tell);
  if (facts === undefined) return findings;
  const registrationId = facts.factory?.registrationId;
  const identity = readCertificates(facts, tell);
  const tpm =
    registrationId !== undefined &&
    (company.enrolments?.isTpm(registrationId) === true || company.spec?.attestationOf(registrationId) === 'tpm');
  checkFlash(facts, context, company, tell);
  checkNames(facts, context, tell);
  if (identity !== undefined) checkChain(identity, registrationId, context, tell);
  checkServerRoots(facts, context, tell);
  const record = company.record ?? (registrationId === undefined ? undefined : company.recordOf?.(registrationId));
  const elsewhere = record?.key === 'elsewhere' || (registrationId !== undefined && company.spec?.keyElsewhere(registrationId) === true);
  checkKeys(facts, identity, { tpm, elsewhere }, tell);
  checkReplaced(identity, company.replaced, tell);
  company.enrolments?.check(facts, identity, tell);
  company.spec?.check(facts, tell);
  company.uniques?.check(facts, identity, tell);
  if (record === null) tell('NOT_IN_MANIFEST', 'image', registrationId);
  else if (record !== undefined) checkRecord(facts, record, tell);
  return findings;
}
