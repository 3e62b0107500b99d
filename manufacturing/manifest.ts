import { hash, type X509Certificate } from 'node:crypto';
import type { Layout } from '@zerotouch/flash-image/layout';
import { encodePartitionTable } from '@zerotouch/flash-image/partition-table';
import type { Authority } from './authority.js';
import type { AuthorityLevel } from './authority-levels.js';
import type { ManifestHead } from './manifest-record.js';
import type { PlannedDevice } from './plan.js';
import type { PartitionHashes } from './read-back.js';
import type { BatchSpec, GroupSpec } from './spec-schema.js';
import { VERSION } from './version.js';

/** Name of the manifest in the folder of a batch. */
export const MANIFEST_FILE = 'manifest.jsonl';

/** A certificate as the manifest tells it: public data only. */
export interface ManifestCertificate {
  /** Upper-case hexadecimal. */
  serialNumber: string;
  /** SHA-256 of the certificate, upper-case hexadecimal, as Azure shows it. */
  thumbprint: string;
  /** ISO 8601, UTC. */
  notAfter: string;
}

/** One burnt device, as the manifest tells it: no key is in it. */
export interface ManifestDevice {
  registrationId: string;
  serial: string;
  /** Lower case, a colon between bytes. */
  mac?: string;
  attestation: GroupSpec['attestation'];
  enrolment: 'group' | 'individual';
  enrolmentGroup?: string;
  /** The image, relative to the manifest. */
  image: string;
  /** Where the key of the certificate is, if not in the image. */
  key?: 'elsewhere';
  certificate?: ManifestCertificate;
  /** SHA-256 of each read-only partition, lower-case hexadecimal: what a device writes later does not change it. */
  partitions: PartitionHashes;
}

/** What a {@link ManifestHead} is made of. */
export interface ManifestParts {
  spec: BatchSpec;
  authority: Authority | undefined;
  layout: Layout;
  /** Milliseconds since 1970. */
  madeAt: number;
}

/** What the manifest of a batch begins with. */
export function manifestHead({ spec, authority, layout, madeAt }: ManifestParts): ManifestHead {
  const { batch, idScope, endpoint } = spec;
  const base = {
    version: 2,
    batch,
    idScope,
    endpoint,
    tool: `zerotouch ${VERSION}`,
    madeAt: new Date(madeAt).toISOString(),
    partitionTable: hash('sha256', encodePartitionTable(layout)),
  } as const;
  if (authority === undefined) return base;
  const { root, chains, levels } = authority;
  const at = (level: AuthorityLevel): ManifestCertificate[] => {
    const depth = levels.indexOf(level);
    const found = [...chains.values()].flatMap((chain) => chain[chain.length - 1 - depth] ?? []);
    return found.map(({ certificate }) => manifestCertificate(certificate));
  };
  return {
    ...base,
    authority: {
      ...(root === undefined ? {} : { root: manifestCertificate(root.certificate) }),
      lines: levels.includes('line') ? at('line') : [],
      ...(levels.includes('batch') ? { batches: at('batch') } : {}),
    },
  };
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
