import { X509Certificate } from 'node:crypto';
import { rootCertificates } from 'node:tls';

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
  for (let certificate: X509Certificate | undefined = leaf, depth = 0; certificate !== undefined && depth < 10; depth++) {
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
