import type { Attestation } from '../identity/attestation.js';
import type { Identity } from '../identity/identity.js';
import type { DriverPorts } from './driver-ports.js';
import type { Findings } from './findings.js';
import type { Assignment } from './kept.js';
import { methodNames, type Order, readOrder } from './obey.js';
import type { Operations } from './operations.js';
import type { Endpoint, HubSession, MethodCall } from './ports.js';

/** What the device holds besides its session, and it connects with. */
export interface SessionSurroundings {
  readonly ports: Pick<DriverPorts, 'hub' | 'timeouts'>;
  readonly operations: Operations;
  readonly findings: Findings;
  readonly identity: () => Identity;
  /** How it proves itself to its hub. */
  readonly attestation: () => Attestation;
  readonly assignment: () => Assignment;
  readonly destination: () => Endpoint;
  /** The hub has let the device in. */
  readonly connected: () => void;
  /** What is said of the desired properties. */
  readonly desired: Parameters<HubSession['onDesired']>[0];
  /** Some of that may have been missed. */
  readonly missed: () => void;
  /** The hub tells the device what to do. */
  readonly obey: (order: Order) => void;
}

/** What the effects of the session table do: the device connects to its hub, hears it, and goes. */
export class SessionActs {
  readonly #around: SessionSurroundings;
  #session: HubSession | undefined;

  constructor(around: SessionSurroundings) {
    this.#around = around;
  }

  get session(): HubSession | undefined {
    return this.#session;
  }

  connect(): void {
    const { ports, operations, findings, identity, attestation, assignment, destination, connected } = this.#around;
    const request = {
      identity: { ...identity(), attestation: attestation() },
      endpoint: destination(),
      assignment: assignment(),
    };
    operations.run('session', ports.timeouts.connectMs, async (signal, current) => {
      const outcome = await ports.hub.connect(request, signal);
      if (outcome.outcome === 'connected' && !current()) await outcome.session.close();
      return () => {
        if (outcome.outcome !== 'connected') {
          findings.failure('session', 'connecting to the hub', outcome);
          return;
        }
        this.#session = outcome.session;
        connected();
        findings.post({ table: 'session', event: 'connected' });
        this.#listen(outcome.session);
      };
    });
  }

  disconnect(): void {
    const { operations } = this.#around;
    operations.cancel('session');
    const session = this.#session;
    this.#session = undefined;
    if (session !== undefined) operations.keep(session.close());
  }

  #listen(session: HubSession): void {
    const { findings, desired, missed } = this.#around;
    session.onLost((failure) => {
      if (this.#session !== session) return;
      findings.watcher.failed?.('staying connected', failure);
      findings.post({ table: 'session', event: 'lost' });
    });
    session.onDesired((patch) => {
      if (this.#session === session) desired(patch);
    });
    session.onMissed?.(() => {
      if (this.#session === session) missed();
    });
    session.onMethod?.(methodNames, (call) => {
      if (this.#session === session) void this.#answer(call);
    });
  }

  /** The answer first: what the order does may well end the connection. */
  async #answer(call: MethodCall): Promise<void> {
    const order = readOrder(call.name, call.payload);
    if ('refusal' in order) {
      await call.respond(400, { error: order.refusal });
      return;
    }
    await call.respond(202, { accepted: order.command });
    this.#around.obey(order);
  }
}
