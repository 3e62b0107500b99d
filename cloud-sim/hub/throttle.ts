import { type HubRate, type HubTier, hubRate } from '@zerotouch/azure-wire/hub-rates';
import type { Clock } from '@zerotouch/foundation/clock';
import { hubChoices } from '../choices.js';
import type { Reason } from '../reasons.js';

/** A tier and its units; see HubSpec. */
export interface Purchase {
  tier?: HubTier | undefined;
  units?: number | undefined;
}

/** Told to come again: after how long, and why in truth. `first`: nobody of this kind was told so since one was let through. */
export interface HubThrottled {
  retryAfterSeconds: number;
  first: boolean;
  reason: Reason;
}

/** Words for what is counted, a second. */
const WORDS: Readonly<Record<HubRate, string>> = {
  registry: 'operations on the registry',
  connections: 'new connections',
  telemetry: 'messages of devices',
  messagesSent: 'messages to devices',
  messagesReceived: 'messages received by devices',
  methodBytes: 'bytes of direct methods',
  queries: 'queries',
  twinReads: 'twin reads',
  twinUpdates: 'twin updates',
  configurations: 'operations on configurations',
};

/** Keeps the rates of one hub, in this process: a bucket a kind that fills with the rate and holds a few seconds of it. */
export class HubThrottle {
  readonly #clock: Clock;
  readonly #factor: number;
  readonly #purchase: () => Purchase;
  /** By kind: monotonic milliseconds at which the bucket is full, and whether somebody was told no. */
  readonly #buckets = new Map<HubRate, { full: number; told: boolean }>();

  /** @param factor of Azure's rates; `Infinity` lets everything through */
  constructor({ clock, factor, purchase }: { clock: Clock; factor: number; purchase: () => Purchase }) {
    this.#clock = clock;
    this.#factor = factor;
    this.#purchase = purchase;
  }

  /** Lets an operation pass, or says when it may come again. @param cost how much of the rate it takes */
  take(kind: HubRate, cost = 1): HubThrottled | undefined {
    const delay = this.#delay(kind, cost, 0);
    return delay <= 0 ? undefined : this.#refuse(kind, delay);
  }

  /**
   * Lets an operation pass later: Azure holds devices' messages back before it refuses any.
   * @param cost how much of the rate it takes
   * @returns milliseconds to hold it back, or that it is refused
   */
  shape(kind: HubRate, cost = 1): number | HubThrottled {
    const longest = hubChoices.longestShaping.value * 1000;
    const delay = this.#delay(kind, cost, longest);
    return delay <= longest ? Math.max(0, delay) : this.#refuse(kind, delay - longest);
  }

  /** Milliseconds until the operation may be done; it is counted when these are no more than `patience`. */
  #delay(kind: HubRate, cost: number, patience: number): number {
    const rate = this.#rate(kind);
    if (rate === Number.POSITIVE_INFINITY) return 0;
    const now = this.#clock.monotonic();
    const bucket = this.#buckets.get(kind) ?? { full: now, told: false };
    const full = Math.max(bucket.full, now) + (cost / rate) * 1000;
    // A bucket holds some seconds of the rate, and never less than one operation.
    const holds = Math.max(hubChoices.throttleBurst.value * 1000, (cost / rate) * 1000);
    const delay = full - now - holds;
    if (delay > patience) this.#buckets.set(kind, bucket);
    else this.#buckets.set(kind, { full, told: false });
    return delay;
  }

  #refuse(kind: HubRate, delay: number): HubThrottled {
    const bucket = this.#buckets.get(kind);
    const first = bucket?.told !== true;
    if (bucket !== undefined) bucket.told = true;
    const { tier, units } = purchased(this.#purchase());
    const rate = this.#rate(kind);
    const retryAfterSeconds = Math.max(1, Math.ceil(delay / 1000));
    return {
      retryAfterSeconds,
      first,
      reason: {
        rule: 'throttled-hub',
        text: `more ${WORDS[kind]} came than the hub takes: ${units} ${units === 1 ? 'unit' : 'units'} of ${tier}`,
        seen: `more than ${Number(rate.toFixed(2))} a second`,
        expected: `at most ${Number(rate.toFixed(2))} ${WORDS[kind]} a second`,
        nearest: `the same after ${retryAfterSeconds} s`,
        remedy: 'come again later with back-off, buy more units, or start the local cloud with limits that leave rates alone',
      },
    };
  }

  #rate(kind: HubRate): number {
    if (this.#factor === Number.POSITIVE_INFINITY) return this.#factor;
    const { tier, units } = purchased(this.#purchase());
    return hubRate(kind, tier, units) * this.#factor;
  }
}

function purchased({ tier = 'S1', units = 1 }: Purchase): { tier: HubTier; units: number } {
  return { tier, units };
}
