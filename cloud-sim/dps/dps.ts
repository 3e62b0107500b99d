import type { ServiceErrorBody } from '@zerotouch/azure-wire/errors';
import { GLOBAL_DPS_HOST } from '@zerotouch/azure-wire/ids';
import type { RegistrationOperationStatus, RegistrationState, TrustBundle } from '@zerotouch/azure-wire/registration';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import type { Behaviours } from '../behaviours/behaviours.js';
import { BehavedSession } from '../behaviours/session.js';
import type { Hub } from '../hub/hub.js';
import type { Journal } from '../journal.js';
import type { LimitValues } from '../limits.js';
import type { Reason, WireAnswer } from '../reasons.js';
import type { Store } from '../store/store.js';
import { Turnstile } from '../turnstile.js';
import { type Caller, judgeForm } from './caller.js';
import type { Issuance } from './issuance.js';
import type { Latencies } from './latency.js';
import { DpsSession } from './session.js';
import type { Throttle } from './throttle.js';
import type { WrapForTpm } from './tpm.js';
import type { WebhookSettings } from './webhook.js';

export { DpsSession } from './session.js';

/** What a device with a TPM is answered while it has not signed: `authenticationKey` is for its TPM alone, base64. */
export interface TpmChallengeBody {
  message: string;
  authenticationKey: string;
  keyName: string;
}

/** What DPS answers, whatever the protocol. `retryAfter` in seconds. */
export interface DpsReply {
  /** As HTTP has it. */
  status: number;
  body: RegistrationOperationStatus | RegistrationState | ServiceErrorBody | TpmChallengeBody;
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
  limits: LimitValues;
  throttle: Throttle;
  latencies: Latencies;
  /** Regions by the address that a device reaches there. */
  edges: ReadonlyMap<string, string>;
  webhook: WebhookSettings;
  /** What the keys of TPM challenges are made from. */
  challengeSecret: Uint8Array;
  issuance: Issuance;
  /** What devices may be told to trust, by id. */
  trustBundles: ReadonlyMap<string, TrustBundle>;
  /** Default: none. */
  behaviours?: Behaviours;
  /** Without it TPMs are not served. */
  wrapForTpm?: WrapForTpm | undefined;
}

/** What the sessions of one DPS share. */
export interface DpsGround extends DpsParts {
  /** One registration of a device after the other. */
  turnstile: Turnstile;
  /** Aborted when the cloud closes. */
  closing: AbortSignal;
  /** Lets work go on after the answer; it never rejects. */
  background(work: Promise<void>): void;
}

/** The Device Provisioning Service, for devices. */
export class Dps {
  readonly #ground: DpsGround;
  readonly #closing = new AbortController();
  readonly #working = new Set<Promise<void>>();

  constructor(parts: DpsParts) {
    const background = (work: Promise<void>): void => {
      this.#working.add(work);
      void work.finally(() => this.#working.delete(work));
    };
    this.#ground = { ...parts, turnstile: new Turnstile(), closing: this.#closing.signal, background };
  }

  /**
   * Judges the form of a call and lets it speak.
   * @param wireOf what the caller's protocol will answer to a refusal for this reason
   */
  async open(caller: Caller, wireOf: (reason: Reason) => WireAnswer): Promise<{ session: DpsSession } | { reason: Reason }> {
    const { idScope, edges, journal, behaviours } = this.#ground;
    const judged = judgeForm(caller, idScope);
    const { registrationId: id, transport, localAddress } = caller;
    if ('claim' in judged) {
      const region = localAddress === undefined ? undefined : edges.get(localAddress);
      const speaker = { claim: judged.claim, transport, region };
      const session =
        behaviours === undefined ? new DpsSession(speaker, this.#ground) : new BehavedSession(speaker, this.#ground, behaviours);
      return { session };
    }
    const { reason } = judged;
    await journal.attempt({ service: 'dps', host: GLOBAL_DPS_HOST, transport, id, outcome: 'refused', wire: wireOf(reason), reason });
    return judged;
  }

  /** Ends the calls of webhooks; resolves when nothing is worked on any more. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#working);
  }
}
