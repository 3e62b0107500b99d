import type { HubEvent } from './telemetry.js';

/** Events and bytes of bodies that are kept for consumers who come late; the oldest go first. */
const KEPT_EVENTS = 1_000;
const KEPT_BYTES = 8 * 1024 * 1024;
/** Events that may wait for a consumer that does not read. */
const MAX_BEHIND = 10_000;

/** Where a consumer begins. */
export interface EventsRequest {
  /** `now` (the default): what comes from now on; `earliest`: also what is kept; a number: also what is kept from this sequence number on. */
  from?: 'now' | 'earliest' | number;
  /** Only of this device and its modules. */
  deviceId?: string;
  /** Ends the stream. */
  signal?: AbortSignal;
}

/** What devices send to one hub, for everybody who wants to read it: in place of the built-in Event Hubs endpoint. */
export class EventStream {
  readonly #kept: HubEvent[] = [];
  readonly #readers = new Set<Reader>();
  #bytes = 0;
  #last = 0;

  /** Hands an event to all who read. */
  publish(event: Omit<HubEvent, 'sequenceNumber'>): HubEvent {
    this.#last++;
    const whole: HubEvent = { sequenceNumber: this.#last, ...event };
    this.#kept.push(whole);
    this.#bytes += whole.body.length;
    while (this.#kept.length > KEPT_EVENTS || this.#bytes > KEPT_BYTES) this.#bytes -= this.#kept.shift()?.body.length ?? 0;
    for (const reader of this.#readers) reader.hear(whole);
    return whole;
  }

  /** Reads; the subscription stands when this returns. An iterator that is left is ended. */
  read({ from = 'now', deviceId, signal }: EventsRequest = {}): AsyncIterableIterator<HubEvent> {
    const wanted = (event: HubEvent): boolean => deviceId === undefined || event.deviceId === deviceId;
    const first = from === 'now' ? Number.POSITIVE_INFINITY : from === 'earliest' ? 0 : from;
    const reader = new Reader(
      this.#kept.filter((event) => event.sequenceNumber >= first && wanted(event)),
      wanted,
      (ended) => this.#readers.delete(ended),
    );
    this.#readers.add(reader);
    if (signal?.aborted === true) reader.end();
    signal?.addEventListener('abort', () => reader.end(), { once: true });
    return reader;
  }

  /** Ends everybody's stream. */
  close(): void {
    for (const reader of [...this.#readers]) reader.end();
  }
}

class Reader implements AsyncIterableIterator<HubEvent> {
  readonly #waiting: HubEvent[];
  readonly #wanted: (event: HubEvent) => boolean;
  readonly #onEnd: (reader: Reader) => void;
  readonly #asked: ((result: IteratorResult<HubEvent, undefined>) => void)[] = [];
  #ended = false;

  constructor(waiting: HubEvent[], wanted: (event: HubEvent) => boolean, onEnd: (reader: Reader) => void) {
    this.#waiting = waiting;
    this.#wanted = wanted;
    this.#onEnd = onEnd;
  }

  hear(event: HubEvent): void {
    if (!this.#wanted(event)) return;
    const asked = this.#asked.shift();
    if (asked !== undefined) asked({ value: event, done: false });
    else {
      this.#waiting.push(event);
      // Who does not read loses the oldest, as by a retention time; the gap is seen in the sequence numbers.
      if (this.#waiting.length > MAX_BEHIND) this.#waiting.shift();
    }
  }

  end(): void {
    this.#ended = true;
    this.#onEnd(this);
    for (const asked of this.#asked.splice(0)) asked({ value: undefined, done: true });
  }

  next(): Promise<IteratorResult<HubEvent, undefined>> {
    const value = this.#waiting.shift();
    if (value !== undefined) return Promise.resolve({ value, done: false });
    if (this.#ended) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve) => this.#asked.push(resolve));
  }

  async return(): Promise<IteratorResult<HubEvent, undefined>> {
    this.#waiting.length = 0;
    this.end();
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
