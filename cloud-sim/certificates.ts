import { X509Certificate } from 'node:crypto';
import { timestampUtc } from '@zerotouch/azure-wire/errors';
import type { X509CertificateInfo } from '@zerotouch/azure-wire/registration';
import { CloudFault } from './faults.js';

const MEMO_SIZE = 512;
const parsed = new Map<string, X509Certificate>();

/**
 * A certificate as an enrolment carries it: PEM, or base64 of PEM or of DER.
 * @param where names it in the error
 * @throws CloudFault CERTIFICATE_UNREADABLE
 */
export function readCertificate(text: string, where: string): X509Certificate {
  // CA certificates are read again for each registration: keeping them parsed saves most of its time.
  const known = parsed.get(text);
  if (known !== undefined) return known;
  try {
    const certificate = new X509Certificate(text.includes('-----BEGIN') ? text : Buffer.from(text, 'base64'));
    if (parsed.size >= MEMO_SIZE) parsed.clear();
    parsed.set(text, certificate);
    return certificate;
  } catch (cause) {
    throw new CloudFault('CERTIFICATE_UNREADABLE', 'the certificate cannot be read', {
      where,
      expected: 'an X.509 certificate: PEM, or base64 of PEM or DER',
      cause,
    });
  }
}

const thumbprints = new WeakMap<X509Certificate, string>();

/** SHA-256 of the whole certificate, upper-case hexadecimal without colons, as IoT Hub writes thumbprints. */
export function thumbprint(certificate: X509Certificate): string {
  let print = thumbprints.get(certificate);
  if (print === undefined) {
    print = withoutColons(certificate.fingerprint256);
    thumbprints.set(certificate, print);
  }
  return print;
}

/** SHA-1 of the whole certificate, in the same form. */
export function shortThumbprint(certificate: X509Certificate): string {
  return withoutColons(certificate.fingerprint);
}

// By a regular expression: for a text, V8 chains the pieces up instead of copying them, which takes a kilobyte and more.
function withoutColons(fingerprint: string): string {
  return fingerprint.replace(/:/g, '');
}

/** The subject in one line, for people. */
export function subjectLine(certificate: X509Certificate): string {
  return (certificate.subject ?? '').split('\n').join(', ');
}

/** The issuer's name in one line, for people. */
export function issuerLine(certificate: X509Certificate): string {
  return (certificate.issuer ?? '').split('\n').join(', ');
}

/** Where a moment lies with respect to a certificate's validity. */
export function validityAt(certificate: X509Certificate, epochMs: number): 'valid' | 'not-yet-valid' | 'expired' {
  if (epochMs < Date.parse(certificate.validFrom)) return 'not-yet-valid';
  return epochMs > Date.parse(certificate.validTo) ? 'expired' : 'valid';
}

/** Which CA certificates have been found to be signed by which, by thumbprints: a line's devices all send the same ones. */
const signedBy = new Set<string>();

/** Whether `issuer`'s key signed `certificate`, and the names and extensions of both say so. */
export function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  if (!certificate.checkIssued(issuer)) return false;
  if (!certificate.ca) return certificate.verify(issuer.publicKey);
  const pair = `${thumbprint(certificate)} ${thumbprint(issuer)}`;
  if (signedBy.has(pair)) return true;
  if (!certificate.verify(issuer.publicKey)) return false;
  if (signedBy.size >= MEMO_SIZE) signedBy.clear();
  signedBy.add(pair);
  return true;
}

/** What Azure shows of a certificate. */
export function certificateInfo(certificate: X509Certificate): X509CertificateInfo {
  return {
    subjectName: subjectLine(certificate),
    sha1Thumbprint: shortThumbprint(certificate),
    sha256Thumbprint: thumbprint(certificate),
    issuerName: issuerLine(certificate),
    notBeforeUtc: timestampUtc(Date.parse(certificate.validFrom)),
    notAfterUtc: timestampUtc(Date.parse(certificate.validTo)),
    serialNumber: certificate.serialNumber,
    version: 3,
  };
}
