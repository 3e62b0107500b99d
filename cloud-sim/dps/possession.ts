import { commonName } from '@zerotouch/azure-wire/common-name';
import type { ProvedCertificate } from '@zerotouch/azure-wire/enrolment';
import { isIssuedBy, readCertificate, subjectLine } from '../certificates.js';
import { CloudFault } from '../faults.js';

/**
 * Verifies a CA's proof of possession: a certificate whose common name is the verification code, signed with the CA's key.
 * Source: iot-dps/how-to-verify-certificates.
 * @throws CloudFault CERTIFICATE_UNPROVED, CERTIFICATE_UNREADABLE; each names the certificate
 */
export function verifyPossession({ name, certificate, verification }: ProvedCertificate): void {
  const where = `certificate ${JSON.stringify(name)}`;
  const authority = readAuthority(certificate, where);
  const proof = readCertificate(verification.certificate, `${where}, its verification certificate`);
  const code = commonName(proof);
  if (code !== verification.code) {
    throw unproved(where, 'the verification certificate has another common name than the code', code ?? 'no single CN', verification.code);
  }
  if (!isIssuedBy(proof, authority)) {
    throw unproved(
      where,
      'the verification certificate is not signed by the CA',
      `issued by ${proof.issuer.split('\n').join(', ')}`,
      `a signature by the key of ${subjectLine(authority)}`,
    );
  }
}

/**
 * A certificate that may sign others.
 * @throws CloudFault CERTIFICATE_UNPROVED when it is no CA, CERTIFICATE_UNREADABLE
 */
export function readAuthority(certificate: string, where: string): ReturnType<typeof readCertificate> {
  const authority = readCertificate(certificate, where);
  if (!authority.ca) throw unproved(where, 'the certificate is no CA', 'CA:false', 'basic constraints with CA:true');
  return authority;
}

function unproved(where: string, what: string, seen: string, expected: string): CloudFault {
  return new CloudFault('CERTIFICATE_UNPROVED', what, {
    where,
    seen,
    expected,
    remedy: "make the verification certificate anew with the CA's key",
  });
}
