import type { DpsOutcome, FailureKind, HubOutcome } from '../boot/ports.js';
import type { ClientName } from './client-names.js';
import type { TransportName } from './transport-names.js';

/** What one client can ever answer to each call of the ports, and why it can lose a session; over HTTPS there is but DPS. */
export interface Evidence {
  readonly register: readonly DpsOutcome['outcome'][];
  readonly connect?: readonly HubOutcome['outcome'][];
  readonly getTwin?: readonly ('twin' | FailureKind)[];
  readonly report?: readonly ('reported' | FailureKind)[];
  readonly send?: readonly ('sent' | FailureKind)[];
  readonly lost?: readonly FailureKind[];
}

const twinFailures = ['refused', 'throttled', 'unavailable', 'dropped', 'timed-out', 'invalid'] as const;

/**
 * Which event each transport can ever produce; the tests provoke every one of them, and no other. A kind that is missing is one the protocol
 * or the client cannot tell:
 *
 * - no CONNACK says "throttled", so `connect` never does;
 * - the SDK's hub client makes one error of a refused and of a dropped first CONNECT, so its `connect` is never `refused`;
 * - a QoS 1 message is acknowledged or not, so `send` knows no refusal;
 * - `ambiguous` is a TLS alert over the certificate; at DPS for the wire client also a SUBACK 128, which the SDK does not look at (it runs into
 *   `timed-out`), and over AMQP whatever goes wrong in the SASL exchange, which has one word for all of it;
 * - over AMQP there is a word for everything else: an error condition, and Azure's own JSON in its description; so `connect` can be `refused` and
 *   `throttled`, a message can be turned down, and a session that ends is told why. The SDK sends requests to the twin settled: a hub answers
 *   them with a status, and cannot reject one;
 * - over HTTPS everything is a status;
 * - a WebSocket adds nothing: what it carries tells, and what goes wrong with itself is `unreachable`, `dropped` or `timed-out` as a connection's is.
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
  'sdk amqp': {
    register: ['assigned', 'refused', 'ambiguous', 'throttled', 'unavailable', 'unreachable', 'dropped', 'timed-out', 'invalid'],
    connect: ['connected', 'refused', 'ambiguous', 'throttled', 'unavailable', 'unreachable', 'dropped', 'timed-out', 'invalid'],
    getTwin: ['twin', ...twinFailures],
    report: ['reported', ...twinFailures],
    send: ['sent', ...twinFailures],
    lost: ['refused', 'throttled', 'unavailable', 'dropped', 'invalid'],
  },
  'sdk http': {
    register: ['assigned', 'refused', 'ambiguous', 'throttled', 'unavailable', 'unreachable', 'dropped', 'timed-out', 'invalid'],
  },
  wire: {
    register: ['assigned', 'refused', 'ambiguous', 'throttled', 'unavailable', 'unreachable', 'dropped', 'timed-out', 'invalid'],
    connect: ['connected', 'refused', 'ambiguous', 'unavailable', 'unreachable', 'dropped', 'timed-out', 'invalid'],
    getTwin: ['twin', ...twinFailures],
    report: ['reported', ...twinFailures],
    send: ['sent', 'dropped', 'timed-out', 'invalid'],
    lost: ['dropped', 'invalid'],
  },
} as const satisfies Record<string, Evidence>;

/** The row of a client over a transport. */
export function evidenceOf(client: ClientName, transport: TransportName): Evidence {
  if (client === 'wire') return evidenceMatrix.wire;
  if (transport === 'http') return evidenceMatrix['sdk http'];
  return transport.startsWith('amqp') ? evidenceMatrix['sdk amqp'] : evidenceMatrix.sdk;
}
