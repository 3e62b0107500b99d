import type { Clock } from '@zerotouch/foundation/clock';
import type { FeedbackRecord, Store } from '../store/store.js';

/** Records a batch holds at most. Source: hub/iot-hub-devguide-messages-c2d. */
const BATCH = 64;
/** Records kept at most: the oldest go first. */
const MOST = 10_000;
/** Digits of the counter in a key, so that keys sort by it. */
const DIGITS = 16;

/** Feedback that somebody is being told; it is gone once they have settled it. */
export interface FeedbackBatch {
  records: readonly FeedbackRecord[];
  /** Takes the records out. */
  complete(): Promise<void>;
  /** Leaves them for the next who asks. */
  release(): void;
}

/** What became of cloud-to-device messages, for senders who wanted to know. */
export class Feedback {
  readonly #hub: string;
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #held = new Set<string>();
  readonly #listeners = new Set<() => void>();
  #last = 0;

  constructor({ hub, store, clock }: { hub: string; store: Store; clock: Clock }) {
    this.#hub = hub;
    this.#store = store;
    this.#clock = clock;
  }

  async add(record: FeedbackRecord): Promise<void> {
    this.#last = Math.max(this.#last + 1, this.#clock.now() * 1000);
    await this.#store.feedback.update(`${this.#hub}/${String(this.#last).padStart(DIGITS, '0')}`, () => record);
    if ((await this.#store.feedback.count(`${this.#hub}/`)) > MOST) {
      const { keys } = await this.#store.feedback.page({ limit: 1, prefix: `${this.#hub}/` });
      for (const key of keys) await this.#store.feedback.delete(key);
    }
    for (const listener of [...this.#listeners]) listener();
  }

  /** Takes the oldest records that nobody else is being told. */
  async take(): Promise<FeedbackBatch | undefined> {
    const { keys, records } = await this.#store.feedback.page({ limit: BATCH + this.#held.size, prefix: `${this.#hub}/` });
    const free = keys
      .map((key, index) => ({ key, record: records[index] as FeedbackRecord }))
      .filter(({ key }) => !this.#held.has(key))
      .slice(0, BATCH);
    if (free.length === 0) return undefined;
    for (const { key } of free) this.#held.add(key);
    const release = (): void => {
      for (const { key } of free) this.#held.delete(key);
    };
    return {
      records: free.map(({ record }) => record),
      release,
      complete: async () => {
        for (const { key } of free) await this.#store.feedback.delete(key);
        release();
      },
    };
  }

  /** Runs `then` whenever there is more. @returns ends that */
  onMore(then: () => void): () => void {
    this.#listeners.add(then);
    return () => this.#listeners.delete(then);
  }
}
