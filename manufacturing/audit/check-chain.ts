import type { X509Certificate } from 'node:crypto';
import { commonName } from '@zerotouch/azure-wire/common-name';
import type { CertificateFacts } from './certificate-facts.js';
import { type AuditContext, isTestBatch, TEST_WORDS } from './context.js';
import type { Tell } from './findings.js';

const WHERE = 'partition esp_secure_cert';
const DAY_MS = 86_400_000;
/** Below this a certificate looks like one of a test. */
const SHORT_DAYS = 90;
// md5WithRSAEncryption, sha1WithRSAEncryption (RFC 8017), ecdsa-with-SHA1 (RFC 3279), DER.
const WEAK_SIGNATURES = ['06092a864886f70d010104', '06092a864886f70d010105', '06072a8648ce3d0401'].map((oid) => Buffer.from(oid, 'hex'));

/** What is wrong with the certificates of an image and the way they hang together. */
export function checkChain(
  { leaf, chain, ca }: CertificateFacts,
  registrationId: string | undefined,
  context: AuditContext,
  tell: Tell,
): void {
  const issuers = [...chain.slice(1), ...(ca === undefined ? [] : [ca])];
  checkSubject(leaf, registrationId, tell);
  checkLinks(chain, ca, tell);
  if (leaf.ca) tell('LEAF_IS_CA', placeOf(leaf));
  for (const issuer of issuers) if (!issuer.ca) tell('ISSUER_NOT_CA', placeOf(issuer));
  checkDates(leaf, context, 'LEAF', tell);
  for (const issuer of distinct(issuers)) checkDates(issuer, context, 'ISSUER', tell);
  const shortest = issuers.find((issuer) => end(issuer) < end(leaf));
  if (shortest !== undefined)
    tell('LEAF_OUTLIVES_ISSUER', placeOf(leaf), `${placeOf(shortest)} ends on ${day(end(shortest))}, the leaf on ${day(end(leaf))}`);
  for (const certificate of distinct([...chain, ...issuers])) checkMaking(certificate, certificate !== leaf, context, tell);
  if (ca !== undefined && /\bCN=Baltimore CyberTrust Root\b/.test(ca.subject)) tell('SERVER_ROOT_RETIRED', placeOf(ca));
}

/** A CA that was given up stays one that others may sign with. */
export function checkReplaced(identity: CertificateFacts | undefined, replaced: ReadonlySet<string> | undefined, tell: Tell): void {
  if (identity === undefined || replaced === undefined) return;
  const { chain, ca } = identity;
  for (const issuer of distinct([...chain.slice(1), ...(ca === undefined ? [] : [ca])]))
    if (replaced.has(issuer.fingerprint256)) tell('AUTHORITY_LEAKED', placeOf(issuer));
}

function checkSubject(leaf: X509Certificate, registrationId: string | undefined, tell: Tell): void {
  const name = commonName(leaf) ?? '';
  const where = `${WHERE}, device certificate`;
  if (name.trim() === '') {
    tell('CN_EMPTY', where);
    return;
  }
  if (/^cn\s*=/i.test(name)) {
    tell('ID_CN_PREFIX', where, JSON.stringify(name));
    return;
  }
  if (registrationId === undefined || name === registrationId) return;
  const how = name.toLowerCase() === registrationId.toLowerCase() ? ' (the case differs)' : '';
  tell('CN_NOT_ID', where, `${JSON.stringify(name)} is not ${JSON.stringify(registrationId)}${how}`);
}

function checkLinks(chain: readonly X509Certificate[], ca: X509Certificate | undefined, tell: Tell): void {
  for (const [index, certificate] of chain.entries()) {
    const next = chain[index + 1];
    if (next === undefined) {
      checkTop(certificate, ca, chain.length === 1, tell);
      return;
    }
    if (certificate.issuer === next.subject) {
      if (!signed(certificate, next)) tell('CHAIN_BROKEN', placeOf(certificate), `its issuer should be ${placeOf(next)}`);
      continue;
    }
    const elsewhere = chain.some((other) => other !== certificate && other.subject === certificate.issuer);
    const known = elsewhere || ca?.subject === certificate.issuer;
    tell(
      known ? 'CHAIN_ORDER' : 'CHAIN_MISSING',
      placeOf(certificate),
      `${placeOf(next)} follows, its issuer is ${oneLine(certificate.issuer)}`,
    );
    return;
  }
}

// A device sends what is in its certificate TLV; the CA certificate beside it only tells up to where that has to reach.
function checkTop(top: X509Certificate, ca: X509Certificate | undefined, alone: boolean, tell: Tell): void {
  if (top.issuer === top.subject) {
    if (!signed(top, top)) tell('CHAIN_BROKEN', placeOf(top), 'it is not signed by itself');
    return;
  }
  if (ca === undefined) {
    if (alone) tell('CHAIN_MISSING', placeOf(top), `its issuer is ${oneLine(top.issuer)}`);
    return;
  }
  if (top.issuer !== ca.subject) {
    tell('CHAIN_MISSING', placeOf(top), `its issuer is ${oneLine(top.issuer)}, the CA certificate is ${placeOf(ca)}`);
    return;
  }
  if (!signed(top, ca)) {
    tell('CHAIN_BROKEN', placeOf(top), `its issuer should be ${placeOf(ca)}`);
    return;
  }
  if (alone && ca.issuer !== ca.subject) tell('CHAIN_MISSING', placeOf(top), `${placeOf(ca)} signed it, is no root and is not sent`);
}

function checkDates(certificate: X509Certificate, { now, horizon }: AuditContext, who: 'LEAF' | 'ISSUER', tell: Tell): void {
  if (now < Date.parse(certificate.validFrom))
    tell('NOT_YET_VALID', placeOf(certificate), `good from ${day(Date.parse(certificate.validFrom))}`);
  if (now > end(certificate)) tell(`${who}_EXPIRED`, placeOf(certificate), `on ${day(end(certificate))}`);
  else if (now + horizon > end(certificate)) tell(`${who}_EXPIRES`, placeOf(certificate), `on ${day(end(certificate))}`);
}

function checkMaking(certificate: X509Certificate, issuer: boolean, context: AuditContext, tell: Tell): void {
  const days = (end(certificate) - Date.parse(certificate.validFrom)) / DAY_MS;
  if (days < SHORT_DAYS) tell('VALIDITY_SHORT', placeOf(certificate), `${Math.round(days)} days`);
  if (WEAK_SIGNATURES.some((oid) => certificate.raw.includes(oid))) tell('SIGNATURE_WEAK', placeOf(certificate));
  if (issuer && TEST_WORDS.test(certificate.subject) && !isTestBatch(context)) tell('DEBUG_CERTIFICATE', placeOf(certificate));
}

/** Signatures of issuers are the same in every image; those of leaves are looked at once each. */
const verdicts = new WeakMap<X509Certificate, WeakMap<X509Certificate, boolean>>();

function signed(certificate: X509Certificate, issuer: X509Certificate): boolean {
  const known = verdicts.get(certificate)?.get(issuer);
  if (known !== undefined) return known;
  const verdict = certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
  const mine = verdicts.get(certificate) ?? new WeakMap<X509Certificate, boolean>();
  verdicts.set(certificate, mine.set(issuer, verdict));
  return verdict;
}

function distinct(certificates: readonly X509Certificate[]): X509Certificate[] {
  return [...new Map(certificates.map((certificate) => [certificate.fingerprint256, certificate])).values()];
}

function placeOf(certificate: X509Certificate): string {
  return `certificate ${oneLine(certificate.subject) || 'without a name'}`;
}

function oneLine(name: string): string {
  return (name ?? '').replaceAll('\n', ', ');
}

function end(certificate: X509Certificate): number {
  return Date.parse(certificate.validTo);
}

function day(moment: number): string {
  return Number.isNaN(moment) ? 'an unknown day' : new Date(moment).toISOString().slice(0, 10);
}
