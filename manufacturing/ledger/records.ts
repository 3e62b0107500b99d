import type { PartitionHashes } from '../read-back.js';

/**
 * Where a device is in its life. `planned` it has names; `issued` an identity was made for it; `burnt` its image has its name; `verified` the
 * image was read back from the disk; the others are said by people. `quarantined` it is held back until somebody has looked into it.
 */
export const DEVICE_STATES = ['planned', 'issued', 'burnt', 'verified', 'shipped', 'quarantined', 'scrapped', 'returned'] as const;
export type DeviceState = (typeof DEVICE_STATES)[number];

/**
 * What became of an identity. `issued` made, its image is on the way; `burnt` in an image; `void` never completed, never to be used again;
 * `retired` was in an image, and its device got or gets another.
 */
export type IdentityStatus = 'issued' | 'burnt' | 'void' | 'retired';

/** Public names of one device, as the plan gives them. */
export interface PlannedRow {
  /** From 0, in the order of the spec. */
  position: number;
  registrationId: string;
  serial: string;
  /** Twelve hexadecimal digits in any of the usual spellings. */
  mac?: string;
  attestation: string;
  enrolment: 'group' | 'individual';
  enrolmentGroup?: string;
}

/** The public side of an identity: nothing in it lets anybody sign. */
export interface IdentityRecord {
  /** 32 hexadecimal digits, drawn when it was made. */
  id: string;
  /** Upper-case hexadecimal. */
  certificateSerial?: string;
  /** SubjectPublicKeyInfo (or a TPM's endorsement key), base64. */
  publicKey?: string;
  /** SHA-256 of the certificate, upper-case hexadecimal. */
  thumbprint?: string;
  /** End of the certificate's validity, ISO 8601. */
  notAfter?: string;
  /** PEM, where the device is enrolled by itself. */
  certificate?: string;
  /** SHA-256 of each read-only partition of the image, lower-case hexadecimal. */
  partitions: PartitionHashes;
}

/** One device of the ledger, with its current identity. */
export interface DeviceRecord extends PlannedRow {
  batch: string;
  state: DeviceState;
  identity?: IdentityRecord & { status: IdentityStatus };
  /** Who last changed it. */
  station?: string;
  operator?: string;
  /** Milliseconds since 1970. */
  changedAt: number;
}

/** One line of the history; nothing ever changes or removes one. */
export interface HistoryRecord {
  batch: string;
  registrationId: string;
  from: DeviceState;
  to: DeviceState;
  /** The identity it was about. */
  identity?: string;
  reason?: string;
  station: string;
  operator?: string;
  /** Milliseconds since 1970. */
  at: number;
}

/**
 * What happens to a whole batch, or to one of its enrolment groups. `revoked` its enrolments were disabled at DPS; `reinstated` that is over;
 * `authority-replacing`, `authority-replaced` a CA of its was given up for a new one, begun and done.
 */
export type EventKind = 'revoked' | 'reinstated' | 'authority-replacing' | 'authority-replaced';

/** One event of a batch; nothing ever changes or removes one. */
export interface EventRecord {
  batch: string;
  kind: EventKind;
  /** Id of the enrolment group it is about; empty where it is about the whole batch. */
  subject: string;
  /** What belongs to it: fingerprints, counts; no secret. */
  detail: Record<string, unknown>;
  reason: string;
  station: string;
  operator?: string;
  /** Milliseconds since 1970. */
  at: number;
}

/** How far a batch is. `preparing` its keys are not all on the disk; `ready` stations may burn; `complete` nothing is left to burn. */
export type BatchState = 'preparing' | 'ready' | 'complete';

/** One batch of the ledger. */
export interface BatchRecord {
  batch: string;
  state: BatchState;
  devices: number;
  /** SHA-256 of `spec`. */
  specDigest: string;
  /** The spec as JSON, with the contents of its files (SHA-256) instead of their places; it holds no secret. */
  spec: string;
  /** Fingerprints of what signs or derives, by enrolment group; set once the batch is ready. */
  sources?: Record<string, string>;
  /** Milliseconds since 1970. */
  createdAt: number;
  completedAt?: number;
}

/** Who writes. */
export interface Author {
  station: string;
  operator?: string;
}
