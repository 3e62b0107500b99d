import type { DpsOutcome, FailureKind, HubOutcome } from '../boot/ports.js';

/** What one client can ever answer to each call of the ports, and why it can lose a session. */
export interface Evidence {
  readonly register: readonly DpsOutcome['outcome'][];
  readonly connect: readonly HubOutcome['outcome'][];
  readonly getTwin: readonly ('twin' | FailureKind)[];
  readonly report: readonly ('reported' | FailureKind)[];
  readonly send: readonly ('sent' | FailureKind)[];
  readonly lost: readonly FailureKind[];
}

const twinFailures = ['refused', 'throttled', 'unavailable', 'dropped', 'timed-out', 'invalid'] as const;

/**
 * Which event each transport can ever produce. A kind that is missing is one the protocol or the client cannot tell:
 *
 * - no CONNACK says "throttled", so `connect` never does;
 * - the SDK's hub client makes one error of a refused and of a dropped first CONNECT, so its `connect` is never `refused`;
 * - a QoS 1 message is acknowledged or not, so `send` knows no refusal;
 * - `ambiguous` at DPS is a TLS alert over the certificate, and for the wire client a SUBACK 128, which the SDK does not look at
 *   (it runs into `timed-out`).
 */
export const evidenceMatrix = {
  sdk: {
    register: ['assigned', 'refused', 'ambiguous', 'throttled', 'unavailable', 'unreachable', 'dropped', 'timed-out', 'invalid'],
    connect: ['connected', 'ambiguous', 'unavailable', 'unreachable', 'dropped', 'timed-out', 'invalid'],
    getTwin: ['twin', ...twinFailures],
    report: ['reported', ...twinFailures],
    send: ['sent', 'dropped', 'timed-out', 'invalid'],
    lost: ['dropped', 'invalid'],
  },
  wire: {
    register: ['assigned', 'refused', 'ambiguous', 'throttled', 'unavailable', 'unreachable', 'dropped', 'timed-out', 'invalid'],
    connect: ['connected', 'refused', 'ambiguous', 'unavailable', 'unreachable', 'dropped', 'timed-out', 'invalid'],
    getTwin: ['twin', ...twinFailures],
    report: ['reported', ...twinFailures],
    send: ['sent', 'dropped', 'timed-out', 'invalid'],
    lost: ['dropped', 'invalid'],
  },
} as const satisfies Record<'sdk' | 'wire', Evidence>;
