import type { X509Certificate } from 'node:crypto';

/**
 * The common name of a certificate's subject as its issuer wrote it, without escapes: what DPS holds against the registration id.
 * @returns `undefined` when the subject has none, or more than one
 */
export function commonName(certificate: X509Certificate): string | undefined {
  // `subject` escapes commas, quotes and control characters and writes two parts of a name into one line; the legacy object does neither.
  const subject = certificate.toLegacyObject().subject as { CN?: unknown } | undefined;
  return typeof subject?.CN === 'string' ? subject.CN : undefined;
}
