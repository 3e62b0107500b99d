import type { Clock } from '@zerotouch/foundation/clock';
import type { Reason } from '../reasons.js';
import { type Identity, identityKey, identityName } from './identity.js';

/** So many times within the window, and it is no device that lost its network. */
const PING_PONG = 3;
const WINDOW_MS = 10 * 60_000;
/** Identities that are watched at a time; the least recent go first. */
const MAX_WATCHED = 10_000;

/** Remembers how often a connection took the place of an older one of the same identity. */
export class Takeovers {
  readonly #clock: Clock;
  /** Monotonic milliseconds, by identity. */
  readonly #seen = new Map<string, number[]>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Why the older connection was dropped: a single time is a reconnect, again and again means two devices with one identity. */
  reason(identity: Identity, host: string): Reason {
    const key = identityKey(identity);
    const now = this.#clock.monotonic();
    const times = [...(this.#seen.get(key) ?? []), now].filter((at) => now - at < WINDOW_MS).slice(-100);
    this.#seen.delete(key);
    this.#seen.set(key, times);
    if (this.#seen.size > MAX_WATCHED) this.#seen.delete(this.#seen.keys().next().value as string);
    const who = identityName(identity);
    if (times.length < PING_PONG) {
      return {
        rule: 'connection-replaced',
        text: `a newer connection of ${who} took the place of this one`,
        seen: 'two connections with one identity',
        expected: 'one connection an identity',
        nearest: 'the newer connection, which stays',
        remedy: 'nothing to do after a reconnect; end the old connection before opening a new one',
      };
    }
    const seconds = Math.max(1, Math.round((now - (times[0] ?? now)) / 1000));
    return {
      rule: 'identity-shared',
      text: `two clients take turns with the identity of ${who}: each new connection throws the other out`,
      seen: `${times.length} connections replaced by newer ones in ${seconds} s at ${host}`,
      expected: 'one connection an identity, kept open',
      nearest: `${who}, with one of the two switched off`,
      remedy:
        'look for a second device with the same image, key or certificate (a cloned flash, a developer tool left open) and give it its own',
    };
  }
}
