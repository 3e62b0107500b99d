import { createHash } from 'node:crypto';
import type { ManifestCertificate, ManifestDevice } from './manifest.js';

/** `typ` of every signed entry. */
export const MANIFEST_TYPE = 'zerotouch-manifest';

/** What a manifest says of its batch: its first entry. */
export interface ManifestHead {
  version: 2;
  batch: string;
  idScope: string;
  endpoint: string;
  /** Who made it: `zerotouch 0.1.0`. */
  tool: string;
  /** ISO 8601, UTC. */
  madeAt: string;
  /** SHA-256 of the partition table of every image, as it is flashed; lower-case hexadecimal. Absent in manifests of older versions of the tool. */
  partitionTable?: string;
  /** Absent where no device has a certificate. */
  authority?: {
    /** Absent where each line signs itself. */
    root?: ManifestCertificate;
    lines: ManifestCertificate[];
    /** Intermediates of the batch below its lines, where there are any. */
    batches?: ManifestCertificate[];
  };
}

/** What every entry has: its place, and the SHA-256 (base64url) of the signed entry before it. */
export interface ManifestLink {
  /** 0 for the head. */
  seq: number;
  /** `null` for the head. */
  prev: string | null;
}

/**
 * One signed entry. The head comes first, then a device an entry in the order of the spec, last the end with their count: an entry that is
 * missing, added or moved breaks the chain, and a manifest that was cut off has no end.
 */
export type ManifestRecord =
  | ({ type: 'batch' } & ManifestLink & ManifestHead)
  | ({ type: 'device' } & ManifestLink & ManifestDevice)
  | ({ type: 'end'; devices: number } & ManifestLink);

/** What the next entry's `prev` is. */
export function linkOf(jws: string): string {
  return createHash('sha256').update(jws).digest('base64url');
}
