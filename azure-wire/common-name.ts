import type { X509Certificate } from 'node:crypto';
// Node 20: toLegacyObject() loads a part of node:tls; where that happens before node:tls itself is loaded, tls.createSecureContext is lost for good.
// The name is used, too: a bundler drops a bare import of a part of Node.
import { createSecureContext } from 'node:tls';

/** A subject that is one common name and nothing that would be escaped. */
const PLAIN = /^CN=([A-Za-z0-9_.:-]+)$/;

/**
 * The common name of a certificate's subject as its issuer wrote it, without escapes: what DPS holds against the registration id.
 * @returns `undefined` when the subject has none, or more than one
 */
export function commonName(certificate: X509Certificate): string | undefined {
  const plain = PLAIN.exec(certificate.subject ?? '')?.[1];
  if (plain !== undefined) return plain;
  // `subject` escapes commas, quotes and control characters and writes two parts of a name into one line; the legacy object does neither.
  if (typeof createSecureContext !== 'function') throw new TypeError('node:tls cannot be loaded');
  const subject = certificate.toLegacyObject().subject as { CN?: unknown } | undefined;
  return typeof subject?.CN === 'string' ? subject.CN : undefined;
}
