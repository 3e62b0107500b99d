import type { Attestation } from '../identity/attestation.js';
import type { Identity } from '../identity/identity.js';
import { credentialAttestation, credentialOf, lifetimeOf } from './credential.js';
import type { DriverPorts } from './driver-ports.js';
import { type Findings, present } from './findings.js';
import type { Assignment } from './kept.js';
import { registerWithEitherKey, withKey } from './key-roll.js';
import type { Memory } from './memory.js';
import type { Operations } from './operations.js';
import type { DpsOutcome, Endpoint, SigningRequest } from './ports.js';

/** A certificate that could not be renewed is tried again after this, or after an eighth of what is left of it. */
const RENEW_AGAIN_MS = 60 * 60_000;

/** What the device holds besides its assignment, and it is assigned with. */
export interface AssignmentSurroundings {
  readonly ports: Pick<DriverPorts, 'dps' | 'credentials' | 'clock' | 'timeouts'>;
  readonly operations: Operations;
  readonly findings: Findings;
  readonly memory: () => Memory;
  readonly identity: () => Identity;
  readonly destination: () => Endpoint;
  readonly isClockSet: () => boolean;
}

/** What the effects of the assignment table do: DPS is asked, what it says is kept, and a certificate that it issued is renewed in time. */
export class AssignmentActs {
  readonly #around: AssignmentSurroundings;
  #assignment: Assignment | undefined;
  /** The assignment as it is in flash. */
  #remembered: Assignment | undefined;
  /** DPS took the secondary key last. */
  #secondKey = false;
  /** The next registration is for a new certificate alone: until it succeeds, the assignment known is good. */
  #renewing = false;

  constructor(around: AssignmentSurroundings) {
    this.#around = around;
  }

  get assignment(): Assignment | undefined {
    return this.#assignment;
  }

  /** @throws Error when there is none */
  get known(): Assignment {
    return present(this.#assignment, 'an assignment');
  }

  /** How the device proves itself to its hub. What DPS issued is for the hub alone; what was burnt is none of the hub then. */
  get attestation(): Attestation {
    const { credential } = this.known;
    return credential === undefined ? withKey(this.#around.identity().attestation, this.#secondKey) : credentialAttestation(credential);
  }

  /** A boot begins without an assignment. */
  forget(): void {
    this.#assignment = undefined;
  }

  /** What was kept. @returns whether the device need not ask DPS */
  recall(): boolean {
    const { memory, identity, findings } = this.#around;
    findings.guarded('reading the assignment', () => {
      this.#assignment = memory().assignment(identity().idScope);
      this.#remembered = this.#assignment;
    });
    this.#renewing = this.#isRenewalDue();
    return this.#assignment !== undefined && !this.#renewing;
  }

  /** Which key DPS took last was kept, too. */
  recallKey(): void {
    this.#secondKey = this.#around.memory().usesSecondKey();
  }

  register(): void {
    const { ports, operations, findings, identity: who, destination } = this.#around;
    const identity = who();
    const endpoint = destination();
    const known = this.#renewing ? this.#assignment : undefined;
    this.#renewing = false;
    operations.run('assignment', ports.timeouts.registerMs, async (signal, current) => {
      const signing = await this.#signingRequest(identity.registrationId);
      const { outcome, second } = await registerWithEitherKey(identity.attestation, this.#secondKey, (attestation) =>
        ports.dps.register(
          { identity: { ...identity, attestation }, endpoint, ...(signing === undefined ? {} : { signingRequest: signing.der }) },
          (sign) => {
            if (!current()) return;
            if (sign !== 'polling') findings.post({ table: 'assignment', event: sign });
            findings.watcher.signed?.(sign);
          },
          signal,
        ),
      );
      return () => {
        this.#rememberKey(second);
        this.#take(outcome, signing, known);
      };
    });
  }

  commit(): void {
    const { memory, identity, findings } = this.#around;
    const assignment = this.known;
    if (assignment === this.#remembered) {
      findings.post({ table: 'assignment', event: 'committed' });
      return;
    }
    this.#remembered = assignment;
    const kept = findings.guarded('keeping the assignment', () => memory().keepAssignment(identity().idScope, assignment));
    findings.post({ table: 'assignment', event: kept ? 'committed' : 'commit-failed' });
  }

  /** A device that is never switched off renews its certificate all the same. */
  planRenewal(): void {
    const { ports, operations, findings, isClockSet } = this.#around;
    const { clock, credentials } = ports;
    const credential = this.#assignment?.credential;
    if (credential === undefined || !isClockSet() || credentials === undefined) return;
    const { renewAt, until } = lifetimeOf(credential);
    const now = clock.now();
    const ms = renewAt > now ? renewAt - now : Math.max(RENEW_AGAIN_MS, (until - now) / 8);
    operations.run('renewal', Number.POSITIVE_INFINITY, async (signal) => {
      await clock.wait(ms, signal);
      return () => {
        this.#renewing = true;
        findings.post({ table: 'power', event: 'reprovision' });
      };
    });
  }

  /** @param known what holds on although the renewal of its certificate failed; absent: nothing was to be renewed */
  #take(outcome: DpsOutcome, signing: SigningRequest | undefined, known: Assignment | undefined): void {
    const { ports, findings } = this.#around;
    if (outcome.outcome !== 'assigned') {
      if (known?.credential === undefined || ports.clock.now() >= lifetimeOf(known.credential).until) {
        findings.failure('assignment', 'registering', outcome);
        return;
      }
      findings.watcher.failed?.('renewing the certificate', outcome);
      findings.post({ table: 'assignment', event: 'assigned' });
      return;
    }
    this.#assignment = { hub: outcome.hub, deviceId: outcome.deviceId };
    const { issued } = outcome;
    if (signing !== undefined && issued !== undefined) {
      findings.guarded('reading the certificate that DPS issued', () => {
        this.#assignment = { ...this.known, credential: credentialOf(issued, signing.privateKey) };
      });
    }
    findings.post({ table: 'assignment', event: 'assigned' });
  }

  #rememberKey(second: boolean): void {
    if (second === this.#secondKey) return;
    this.#secondKey = second;
    const { memory, findings } = this.#around;
    findings.guarded('remembering which key was taken', () => memory().keepKey(second));
  }

  /** A device that can make no key goes to its hub with what was burnt. */
  async #signingRequest(registrationId: string): Promise<SigningRequest | undefined> {
    const { ports, findings } = this.#around;
    try {
      return await ports.credentials?.request(registrationId);
    } catch (error) {
      findings.fault('making a key', error);
      return undefined;
    }
  }

  #isRenewalDue(): boolean {
    const { ports, isClockSet } = this.#around;
    const credential = this.#assignment?.credential;
    if (credential === undefined || !isClockSet() || ports.credentials === undefined) return false;
    return ports.clock.now() >= lifetimeOf(credential).renewAt;
  }
}
