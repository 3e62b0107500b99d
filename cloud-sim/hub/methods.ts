import type { Clock } from '@zerotouch/foundation/clock';
import type { Entropy } from '@zerotouch/foundation/entropy';
import { guid } from '../unique.js';
import { type Identity, identityKey } from './identity.js';
import type { Lines } from './lines.js';

/** A direct method to be called. */
export interface MethodInvocation {
  name: string;
  /** Anything of JSON; `undefined` is sent as `null`. */
  payload?: unknown;
  /** Milliseconds that the device may take to connect; 0 (the default): it must be there. */
  connectTimeoutMs?: number;
  /** Milliseconds that the device may take to answer. Default 30,000. */
  responseTimeoutMs?: number;
}

/** What became of a call: the device's own status and payload, or nobody was there, or nobody answered. */
export type MethodOutcome = { status: number; payload: unknown } | { problem: 'not-online' | 'no-answer' };

/** Seconds that the device may take to answer when the caller says nothing. Source: hub/iot-hub-devguide-direct-methods. */
export const DEFAULT_RESPONSE_TIMEOUT_MS = 30_000;

/** What the methods work with. */
export interface MethodsParts {
  lines: Lines;
  clock: Clock;
  entropy: Entropy;
}

/** Direct methods: a call goes to a connected device, its answer back to the caller. Source: hub/iot-hub-devguide-direct-methods. */
export class Methods {
  readonly #parts: MethodsParts;
  readonly #open = new Map<string, (answer: { status: number; payload: unknown }) => void>();

  constructor(parts: MethodsParts) {
    this.#parts = parts;
  }

  /** Calls a method of a device or module and waits for its answer. @param signal ends the wait, as a time-out would */
  async invoke(identity: Identity, invocation: MethodInvocation, signal?: AbortSignal): Promise<MethodOutcome> {
    const { lines, clock, entropy } = this.#parts;
    const { name, payload = null, connectTimeoutMs = 0, responseTimeoutMs = DEFAULT_RESPONSE_TIMEOUT_MS } = invocation;
    const rid = guid(entropy);
    const over = new AbortController();
    const abort = (): void => over.abort();
    signal?.addEventListener('abort', abort, { once: true });
    const key = `${identityKey(identity)}\n${rid}`;
    const answered = new Promise<MethodOutcome>((resolve) => this.#open.set(key, resolve));
    const send = (): boolean => lines.call(identity, { rid, name, payload: JSON.stringify(payload) });
    try {
      if (!send() && !(await this.#connected(identity, send, connectTimeoutMs, over.signal))) return { problem: 'not-online' };
      return await Promise.race([answered, clock.wait(responseTimeoutMs, over.signal).then(noAnswer, noAnswer)]);
    } finally {
      this.#open.delete(key);
      signal?.removeEventListener('abort', abort);
      over.abort();
    }
  }

  /** Takes a device's answer. @returns whether somebody waited for it */
  answer(identity: Identity, rid: string, status: number, payload: unknown): boolean {
    const resolve = this.#open.get(`${identityKey(identity)}\n${rid}`);
    resolve?.({ status, payload });
    return resolve !== undefined;
  }

  async #connected(identity: Identity, send: () => boolean, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    if (timeoutMs <= 0) return false;
    const { lines, clock } = this.#parts;
    let stop = (): void => {};
    const sent = new Promise<boolean>((resolve) => {
      stop = lines.whenReady(identity, () => {
        if (send()) resolve(true);
      });
    });
    const no = (): boolean => false;
    try {
      return await Promise.race([sent, clock.wait(timeoutMs, signal).then(no, no)]);
    } finally {
      stop();
    }
  }
}

function noAnswer(): MethodOutcome {
  return { problem: 'no-answer' };
}
