import { X509Certificate } from 'node:crypto';
import type { EnrolledCertificate } from '@zerotouch/azure-wire/enrolment';

/** A certificate as an enrolment carries it: PEM, or base64 of PEM or DER; `undefined` where it is none of them. */
export function readEnrolled({ certificate }: EnrolledCertificate): X509Certificate | undefined {
  try {
    return new X509Certificate(certificate.includes('-----BEGIN ') ? certificate : Buffer.from(certificate, 'base64'));
  } catch {
    return undefined;
  }
}
