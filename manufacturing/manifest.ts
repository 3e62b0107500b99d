import type { X509Certificate } from 'node:crypto';
import type { Authority } from './authority.js';
import type { PlannedDevice } from './plan.js';
import type { PartitionHashes } from './read-back.js';
import type { BatchSpec } from './spec-schema.js';
import { VERSION } from './version.js';

/** Name of the manifest in the folder of a batch. */
export const MANIFEST_FILE = 'manifest.json';

/** A certificate as the manifest tells it: public data only. */
export interface ManifestCertificate {
  /** Upper-case hexadecimal. */
  serialNumber: string;
  /** SHA-256 of the certificate, upper-case hexadecimal, as Azure shows it. */
  thumbprint: string;
  /** ISO 8601, UTC. */
  notAfter: string;
}

/** One burnt device of a {@link Manifest}. */
export interface ManifestDevice {
  registrationId: string;
  serial: string;
  attestation: 'x509' | 'symmetric-key';
  enrolment: 'group' | 'individual';
  enrolmentGroup?: string;
  /** The image, relative to the manifest. */
  image: string;
  certificate?: ManifestCertificate;
  /** SHA-256 of each read-only partition, lower-case hexadecimal: what a device writes later does not change it. */
  partitions: PartitionHashes;
}

/** What was burnt, in the order of the spec: the contents of `manifest.json`. It holds no key. */
export interface Manifest {
  version: 1;
  batch: string;
  idScope: string;
  endpoint: string;
  /** Who made it: `zerotouch 0.1.0`. */
  tool: string;
  /** ISO 8601, UTC. */
  madeAt: string;
  /** Absent where no device has a certificate. */
  authority?: { root: ManifestCertificate; lines: ManifestCertificate[] };
  devices: ManifestDevice[];
}

/** What a {@link Manifest} is built from. */
export interface ManifestParts {
  spec: BatchSpec;
  authority: Authority | undefined;
  /** Milliseconds since 1970. */
  madeAt: number;
  devices: ManifestDevice[];
}

/** The manifest of a batch. */
export function manifestOf({ spec, authority, madeAt, devices }: ManifestParts): Manifest {
  const { batch, idScope, endpoint } = spec;
  const base = { version: 1, batch, idScope, endpoint, tool: `zerotouch ${VERSION}`, madeAt: new Date(madeAt).toISOString() } as const;
  if (authority === undefined) return { ...base, devices };
  const lines = [...authority.lines.values()].map((line) => manifestCertificate(line.certificate));
  return { ...base, authority: { root: manifestCertificate(authority.root.certificate), lines }, devices };
}

/** The entry of one device. */
export function manifestDevice(
  { registrationId, serial, group }: PlannedDevice,
  image: string,
  partitions: PartitionHashes,
  leaf: X509Certificate | undefined,
): ManifestDevice {
  const { attestation, enrolment, enrolmentGroup } = group;
  return {
    registrationId,
    serial,
    attestation,
    enrolment,
    ...(enrolmentGroup === undefined ? {} : { enrolmentGroup }),
    image,
    ...(leaf === undefined ? {} : { certificate: manifestCertificate(leaf) }),
    partitions,
  };
}

function manifestCertificate(certificate: X509Certificate): ManifestCertificate {
  return {
    serialNumber: certificate.serialNumber,
    thumbprint: certificate.fingerprint256.replaceAll(':', ''),
    notAfter: new Date(certificate.validTo).toISOString(),
  };
}
