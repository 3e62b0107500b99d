import { X509Certificate } from 'node:crypto';
import { rootCertificates } from 'node:tls';

/** No chain is longer. */
const MOST_CERTIFICATES = 10;

/** A certificate of a server's chain that is not good at a time. */
export interface OutOfDate {
  readonly subject: string;
  readonly kind: 'expired' | 'not yet valid';
  /** When it ended or is to begin. */
  readonly date: Date;
}

/** What became of a server's chain: trusted, or out of date, or of nobody we know. */
export type Verdict = 'trusted' | 'unknown-authority' | OutOfDate;

/**
 * Judges a server's chain for a device whose idea of the time is not the machine's: OpenSSL goes by the machine's clock alone, and a
 * machine that was never told the time finds every certificate "not yet valid". Signatures, the CA flag and the way to a trusted root are
 * looked at, with dates only where a time is known. Source: RFC 5280, section 6.1, as far as a chain of Azure has it.
 * @param leaf with its issuers, as the TLS handshake gave them
 * @param trusted PEM of the authorities to trust; absent: the runtime's own
 * @param at milliseconds since 1970; absent: no date is looked at
 */
export function judgeServer(leaf: X509Certificate, trusted: string | undefined, at: number | undefined): Verdict {
  const anchors = anchorsOf(trusted);
  for (let certificate: X509Certificate | undefined = leaf, depth = 0; certificate !== undefined && depth < MOST_CERTIFICATES; depth++) {
    const stale = at === undefined ? undefined : outOfDate(certificate, at);
    if (stale !== undefined) return stale;
    const current: X509Certificate = certificate;
    const anchor = anchors.find((root) => root.raw.equals(current.raw) || signed(root, current));
    if (anchor !== undefined) return (at === undefined ? undefined : outOfDate(anchor, at)) ?? 'trusted';
    const issuer: X509Certificate | undefined = current.issuerCertificate;
    if (issuer === undefined || !signed(issuer, current)) return 'unknown-authority';
    certificate = issuer;
  }
  return 'unknown-authority';
}

/** The trusted root that a server's chain ends at, dates apart; `undefined` where it ends at none. */
export function rootOf(leaf: X509Certificate, trusted: string | undefined): X509Certificate | undefined {
  const anchors = anchorsOf(trusted);
  for (const certificate of chainOf(leaf)) {
    const anchor = anchors.find((root) => root.raw.equals(certificate.raw) || signed(root, certificate));
    if (anchor !== undefined) return anchor;
  }
  return undefined;
}

/** Whom a server's chain names last, for people: the issuer of the highest certificate that came along. */
export function namedLast(leaf: X509Certificate): string {
  return oneLine(chainOf(leaf).at(-1)?.issuer ?? leaf.issuer);
}

/** A root, told apart from others of its name: what it is called, the start of its SHA-256, and when it ends. */
export function rootName({ subject, fingerprint256, validTo }: X509Certificate): string {
  return `${oneLine(subject)} (SHA-256 ${fingerprint256.replaceAll(':', '').slice(0, 8)}, until ${new Date(validTo).toISOString().slice(0, 10)})`;
}

/** The certificates of a PEM text, in its order. */
export function certificatesOf(pem: string): X509Certificate[] {
  return (pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map((one) => new X509Certificate(one));
}

/** Why a certificate is not good at a time; `undefined` when it is. */
export function outOfDate({ subject, validFrom, validTo }: X509Certificate, at: number): OutOfDate | undefined {
  const [from, to] = [new Date(validFrom), new Date(validTo)];
  if (at < from.getTime()) return { subject: oneLine(subject), kind: 'not yet valid', date: from };
  return at > to.getTime() ? { subject: oneLine(subject), kind: 'expired', date: to } : undefined;
}

function chainOf(leaf: X509Certificate): X509Certificate[] {
  const chain = [leaf];
  for (let issuer = leaf.issuerCertificate; issuer !== undefined && chain.length < MOST_CERTIFICATES; issuer = issuer.issuerCertificate) {
    if (!signed(issuer, chain.at(-1) ?? leaf) || chain.some(({ raw }) => raw.equals(issuer?.raw ?? raw))) break;
    chain.push(issuer);
  }
  return chain;
}

function signed(issuer: X509Certificate, certificate: X509Certificate): boolean {
  return issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

let runtimeAnchors: X509Certificate[] | undefined;

function anchorsOf(trusted: string | undefined): X509Certificate[] {
  if (trusted !== undefined) return certificatesOf(trusted);
  runtimeAnchors ??= rootCertificates.map((pem) => new X509Certificate(pem));
  return runtimeAnchors;
}

function oneLine(subject: string): string {
  return subject.replaceAll('\n', ', ');
}
