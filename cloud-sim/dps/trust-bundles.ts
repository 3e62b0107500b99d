import { createHash } from 'node:crypto';
import { timestampUtc } from '@zerotouch/azure-wire/errors';
import type { TrustBundle } from '@zerotouch/azure-wire/registration';
import { certificateInfo, readCertificate } from '../certificates.js';
import { CloudFault } from '../faults.js';

/** Certificates that devices shall trust, under a name that enrolments give in `trustBundleId`. */
export interface TrustBundleSpec {
  id: string;
  /** PEM, one each. */
  certificates: readonly string[];
}

/**
 * Trust bundles as devices are told them, by id.
 * @param now milliseconds since 1970: when they were made
 * @throws CloudFault BAD_OPTIONS, CERTIFICATE_UNREADABLE
 */
export function trustBundles(specs: readonly TrustBundleSpec[], now: number): ReadonlyMap<string, TrustBundle> {
  const bundles = new Map<string, TrustBundle>();
  for (const { id, certificates } of specs) {
    const where = `option trustBundles, ${JSON.stringify(id)}`;
    if (id === '' || bundles.has(id)) {
      throw new CloudFault('BAD_OPTIONS', 'each trust bundle needs an id of its own', { where, expected: 'an id that no other has' });
    }
    const read = certificates.map((text) => readCertificate(text, where));
    const digest = createHash('sha256')
      .update(read.map(({ fingerprint256 }) => fingerprint256).join())
      .digest('hex');
    bundles.set(id, {
      id,
      certificates: read.map((certificate) => ({ certificate: certificate.toString(), metadata: certificateInfo(certificate) })),
      createdDateTime: timestampUtc(now),
      lastModifiedDateTime: timestampUtc(now),
      etag: `"${digest.slice(0, 32)}"`,
    });
  }
  return bundles;
}
