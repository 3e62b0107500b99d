import type { Clock } from '@zerotouch/foundation/clock';
import type { Logger } from 'pino';
import type { Cloud } from '../cloud.js';
import type { HubCount, Tick } from './shapes.js';
import { KEPT, type Watch } from './watch.js';

/** Milliseconds between ticks while something happens, and at least, so that the page sees that it is still connected. */
const PERIOD_MS = { busy: 250, idle: 1000 } as const;
/** Most lines in one tick: no person reads more in a quarter of a second. */
const LINES_PER_TICK = 40;

/** Takes a tick. @returns whether it can take more at once; one that cannot is left out until it can */
export type Take = (tick: Tick) => boolean;

interface Listener {
  take: Take;
  seq: number;
  second: number;
  blocked: boolean;
}

/** Who looks on: how to take back, and how to tell that more can be taken. */
export interface Subscription extends Disposable {
  ready(): void;
}

/** Tells everybody who looks on what goes on in the cloud, in ticks; nothing is done while nobody looks. */
export class Broadcast {
  readonly #cloud: Pick<Cloud, 'hubs' | 'hub'>;
  readonly #watch: Watch;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #listeners = new Set<Listener>();
  readonly #closing = new AbortController();
  #running = false;

  constructor({ cloud, watch, clock, log }: { cloud: Pick<Cloud, 'hubs' | 'hub'>; watch: Watch; clock: Clock; log: Logger }) {
    this.#cloud = cloud;
    this.#watch = watch;
    this.#clock = clock;
    this.#log = log;
  }

  /** How many look on. */
  get size(): number {
    return this.#listeners.size;
  }

  /** Sends what is kept at once, then what is new until it is disposed of. */
  subscribe(take: Take): Subscription {
    const listener: Listener = { take, seq: 0, second: 0, blocked: false };
    this.#listeners.add(listener);
    void this.#run(listener);
    return {
      ready: () => {
        listener.blocked = false;
      },
      [Symbol.dispose]: () => this.#listeners.delete(listener),
    };
  }

  /** Ends the ticks. */
  close(): void {
    this.#listeners.clear();
    this.#closing.abort();
  }

  async #run(first: Listener): Promise<void> {
    try {
      await this.#tell([first]);
      if (this.#running) return;
      this.#running = true;
      await this.#repeat().finally(() => {
        this.#running = false;
      });
    } catch (error) {
      if (!this.#closing.signal.aborted) this.#log.error({ err: error }, 'the web view cannot tell what goes on');
    }
  }

  async #repeat(): Promise<void> {
    let [toldSeq, toldAt] = [-1, Number.NEGATIVE_INFINITY];
    while (this.#listeners.size > 0) {
      await this.#clock.wait(PERIOD_MS.busy, this.#closing.signal);
      const now = this.#clock.monotonic();
      if (this.#watch.seq === toldSeq && now - toldAt < PERIOD_MS.idle) continue;
      [toldSeq, toldAt] = [this.#watch.seq, now];
      await this.#tell([...this.#listeners].filter(({ blocked }) => !blocked));
    }
  }

  async #tell(listeners: readonly Listener[]): Promise<void> {
    const hubs = await this.#hubs();
    const now = this.#clock.now();
    const common = { now, counts: { ...this.#watch.counts }, hubs, failures: this.#watch.failures() };
    for (const listener of listeners) {
      if (!this.#listeners.has(listener)) continue;
      const lines = this.#watch.linesSince(listener.seq, listener.seq === 0 ? KEPT.lines : LINES_PER_TICK);
      const seconds = this.#watch.secondsSince(listener.second);
      listener.seq = this.#watch.seq;
      // The present second goes on counting: it is told again.
      listener.second = seconds.at(-1)?.second ?? listener.second;
      listener.blocked = !listener.take({ ...common, seconds, lines });
    }
  }

  async #hubs(): Promise<HubCount[]> {
    const counts = this.#cloud.hubs.map(async ({ host }): Promise<HubCount[]> => {
      try {
        return [{ host, ...(await this.#cloud.hub(host).counts()) }];
      } catch {
        // Removed while we asked.
        return [];
      }
    });
    return (await Promise.all(counts)).flat();
  }
}
