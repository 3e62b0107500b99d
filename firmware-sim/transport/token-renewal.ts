import type { Clock } from '@zerotouch/foundation/clock';
import type { Failure } from '../boot/ports.js';
import type { Lifeline } from './lifeline.js';
import { TOKEN_SECONDS } from './sign-in.js';

/** When a token is renewed, as a part of its life: a network that is away for some minutes then costs no connection. */
const RENEW_AT = 0.85;
/** After how long it is tried again when that failed, milliseconds. */
const AGAIN_MS = 60_000;
/** How long one attempt may take, milliseconds. */
const ATTEMPT_MS = 30_000;

/** How a session renews its token. */
export interface RenewalParts {
  readonly clock: Clock;
  /** Of the session: with it everything here ends. */
  readonly life: Lifeline;
  /** Whether the connection stays the same (AMQP): nothing has to wait for it then. */
  readonly inPlace: boolean;
  /** Signs in with a new token. A failure leaves the session as it was, or ends its life. */
  readonly renew: (signal: AbortSignal) => Promise<Failure | undefined>;
}

/**
 * Keeps a session signed in beyond the life of a token, without a gap in its service. Where a new token needs a new connection (MQTT 3.1.1 has
 * no other way), that is made in a moment of quiet: when no call waits for an answer; calls that are made meanwhile wait for it.
 */
export class TokenRenewal {
  readonly #parts: RenewalParts;
  #inFlight = 0;
  #quiet: (() => void) | undefined;
  #underWay: Promise<void> | undefined;

  constructor(parts: RenewalParts) {
    this.#parts = parts;
    void this.#run();
  }

  /** Whether a connection is being replaced: the end of the old one is then no loss. */
  get underWay(): boolean {
    return this.#underWay !== undefined;
  }

  /** Makes a call that no renewal may cut in two. */
  async during<T>(call: () => Promise<T>): Promise<T> {
    while (this.#underWay !== undefined) await this.#underWay;
    this.#inFlight += 1;
    try {
      return await call();
    } finally {
      this.#inFlight -= 1;
      if (this.#inFlight === 0) this.#quiet?.();
    }
  }

  async #run(): Promise<void> {
    const { clock, life } = this.#parts;
    const never = new AbortController().signal;
    for (let wait = TOKEN_SECONDS * 1000 * RENEW_AT; (await life.pause(clock, wait, never)) === undefined; ) {
      const failure = await this.#renew();
      wait = failure === undefined ? TOKEN_SECONDS * 1000 * RENEW_AT : AGAIN_MS;
    }
  }

  async #renew(): Promise<Failure | undefined> {
    if (this.#parts.inPlace) return this.#attempt();
    while (this.#inFlight > 0) {
      await new Promise<void>((resolve) => {
        this.#quiet = resolve;
      });
    }
    this.#quiet = undefined;
    const attempt = this.#attempt();
    this.#underWay = attempt.then(() => undefined);
    try {
      return await attempt;
    } finally {
      this.#underWay = undefined;
    }
  }

  async #attempt(): Promise<Failure | undefined> {
    const { clock, life, renew } = this.#parts;
    const over = new AbortController();
    const limit = new AbortController();
    void life.pause(clock, ATTEMPT_MS, over.signal).then(() => limit.abort());
    try {
      return await renew(limit.signal);
    } finally {
      over.abort();
    }
  }
}
