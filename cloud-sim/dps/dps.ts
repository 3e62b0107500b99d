import { errorBody, httpStatusOf, type ServiceErrorBody, type ServiceErrorEntry } from '@zerotouch/azure-wire/errors';
import { canonicalRegistrationId, GLOBAL_DPS_HOST } from '@zerotouch/azure-wire/ids';
import type { RegistrationOperationStatus } from '@zerotouch/azure-wire/registration';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import { dpsChoices } from '../choices.js';
import type { Hub } from '../hub/hub.js';
import type { Journal } from '../journal.js';
import type { Attempt, Reason, Transport, WireAnswer } from '../reasons.js';
import type { Store } from '../store/store.js';
import { guid } from '../unique.js';
import { assign } from './assignment.js';
import { attest } from './attestation.js';
import { type Caller, judgeForm } from './caller.js';
import { type Claim, sourceId, type Verdict } from './claim.js';
import { requestFlaw } from './request.js';

/** What DPS answers, whatever the protocol. `retryAfter` in seconds. */
export interface DpsReply {
  /** As HTTP has it. */
  status: number;
  body: RegistrationOperationStatus | ServiceErrorBody;
  retryAfter?: number;
}

/** What DPS is made of. */
export interface DpsParts {
  idScope: string;
  /** Seconds. */
  retryAfter: number;
  store: Store;
  hubs: ReadonlyMap<string, Hub>;
  clock: Clock;
  entropy: Entropy;
  journal: Journal;
}

/** The Device Provisioning Service, for devices. */
export class Dps {
  readonly #parts: DpsParts;

  constructor(parts: DpsParts) {
    this.#parts = parts;
  }

  /**
   * Judges the form of a call and lets it speak.
   * @param wireOf what the caller's protocol will answer to a refusal for this reason
   */
  async open(caller: Caller, wireOf: (reason: Reason) => WireAnswer): Promise<{ session: DpsSession } | { reason: Reason }> {
    const judged = judgeForm(caller, this.#parts.idScope);
    if ('claim' in judged) return { session: new DpsSession(judged.claim, caller.transport, this.#parts) };
    const { reason } = judged;
    const { registrationId: id, transport } = caller;
    const wire = wireOf(reason);
    await this.#parts.journal.attempt({ service: 'dps', host: GLOBAL_DPS_HOST, transport, id, outcome: 'refused', wire, reason });
    return judged;
  }
}

/** A caller that may speak; over a connection it speaks more than once, and is attested once. */
export class DpsSession {
  readonly #claim: Claim;
  readonly #transport: Transport;
  readonly #parts: DpsParts;
  #attested = false;

  constructor(claim: Claim, transport: Transport, parts: DpsParts) {
    this.#claim = claim;
    this.#transport = transport;
    this.#parts = parts;
  }

  /** @param body of the register request */
  async register(body: Uint8Array): Promise<DpsReply> {
    const { registrationId } = this.#claim;
    const flaw = requestFlaw(body, registrationId);
    if (flaw !== undefined) return this.#refuse(flaw.error, flaw.reason);
    const verdict = await this.#attest();
    if ('refused' in verdict) return this.#refuse(verdict.refused.error, verdict.refused.reason);

    const { record, reason } = await assign(registrationId, verdict.admitted, this.#parts);
    const { assignedHub, deviceId, substatus, errorCode } = record.state;
    if (assignedHub === undefined || deviceId === undefined || substatus === undefined) {
      await this.#note('failed', errorCode === undefined ? { status: 200 } : { status: 200, errorCode }, reason);
    } else {
      await this.#note('assigned', { status: 200 }, reason);
      const { source } = verdict.admitted;
      const enrolment = { kind: source.kind, id: sourceId(source) };
      this.#parts.journal.tell('registered', { registrationId, deviceId, hub: assignedHub, substatus, enrolment });
    }
    return { status: 202, body: { operationId: record.operationId, status: 'assigning' }, retryAfter: this.#parts.retryAfter };
  }

  /** What became of an operation; the caller is attested here too, if it has not registered in this session. */
  async operation(operationId: string): Promise<DpsReply> {
    if (!this.#attested) {
      const verdict = await this.#attest();
      if ('refused' in verdict) return this.#refuse(verdict.refused.error, verdict.refused.reason);
    }
    const record = await this.#parts.store.registrations.get(canonicalRegistrationId(this.#claim.registrationId));
    if (record?.operationId !== operationId) {
      return this.#refuse(dpsChoices.unknownOperation.value, {
        rule: 'operation-unknown',
        text: 'there is no such operation of this registration',
        seen: operationId.slice(0, 80),
        expected: record === undefined ? 'a registration first' : 'the operation of the latest registration',
        remedy: 'register again',
      });
    }
    return { status: 200, body: { operationId, status: record.state.status, registrationState: record.state } };
  }

  async #attest(): Promise<Verdict> {
    const { store, clock } = this.#parts;
    const [individual, groups, certificates] = await Promise.all([
      store.individuals.get(canonicalRegistrationId(this.#claim.registrationId)),
      store.groups.list(),
      store.certificates.list(),
    ]);
    const verdict = attest(this.#claim, { individual, groups, certificates, now: clock.now() });
    this.#attested = 'admitted' in verdict;
    return verdict;
  }

  async #refuse(error: ServiceErrorEntry, reason: Reason): Promise<DpsReply> {
    const status = httpStatusOf(error.code);
    await this.#note('refused', { status, errorCode: error.code }, reason);
    return { status, body: errorBody(error, guid(this.#parts.entropy), this.#parts.clock.now()) };
  }

  async #note(outcome: Attempt['outcome'], wire: WireAnswer, reason: Reason): Promise<void> {
    const { registrationId: id } = this.#claim;
    await this.#parts.journal.attempt({ service: 'dps', host: GLOBAL_DPS_HOST, transport: this.#transport, id, outcome, wire, reason });
  }
}
