import type { EventEmitter } from 'node:events';
import { canonicalRegistrationId } from '@zerotouch/azure-wire/ids';
import type { Clock } from '@zerotouch/foundation/clock';
import type { CloudEvents } from '../events.js';
import type { Attempt, Rule } from '../reasons.js';
import { rules } from '../rules.js';
import { EVENT_NAMES, type EventCounts, type EventName, type FailingDevice, type FailureGroup, type Line, type Second } from './shapes.js';
import { attemptView } from './views.js';

/** Seconds, lines and failing devices that are kept. */
export const KEPT = { seconds: 180, lines: 300, failing: 10_000 } as const;
/** Longest id or text that is kept, characters: a stranger may send any id. */
const LONGEST = 400;

/** Follows a cloud's events and keeps what a person wants to see when they begin to look: bounded, however much happens. */
export class Watch {
  readonly counts = noCounts();
  readonly #clock: Clock;
  readonly #lines: Line[] = [];
  readonly #seconds: Second[] = [];
  readonly #failing = new Map<string, { id: string; refusals: number; attempt: Attempt }>();
  readonly #byRule = new Map<Rule, number>();
  readonly #listeners: [EventName, (event: never) => void][];
  readonly #events: EventEmitter<CloudEvents>;
  #seq = 0;

  constructor(events: EventEmitter<CloudEvents>, clock: Clock) {
    this.#clock = clock;
    this.#events = events;
    const on = <Name extends EventName>(name: Name, hear: (event: CloudEvents[Name][0]) => Pick<Line, 'id' | 'host' | 'text'>) => {
      const listener = (event: CloudEvents[Name][0]): void => this.#note(name, hear(event));
      return [name, listener] as [EventName, (event: never) => void];
    };
    this.#listeners = [
      on('registered', ({ registrationId, hub, substatus, enrolment }) => {
        this.#recovered(registrationId);
        return { id: registrationId, host: hub, text: `${substatus}, let in by ${enrolment.kind} ${enrolment.id}` };
      }),
      on('refused', (attempt) => {
        this.#failed(attempt);
        return lineOf(attempt);
      }),
      on('connected', ({ hub, deviceId, authentication }) => {
        this.#recovered(deviceId);
        return { id: deviceId, host: hub, text: authentication === 'sas' ? 'signed in with a token' : 'signed in with a certificate' };
      }),
      on('disconnected', ({ hub, deviceId, cause }) => ({ id: deviceId, host: hub, text: cause })),
      on('reported', ({ hub, deviceId, version }) => ({ id: deviceId, host: hub, text: `reported properties, version ${version}` })),
      on('telemetry', ({ hub, deviceId, body }) => ({ id: deviceId, host: hub, text: `${body.length} bytes` })),
    ];
    for (const [name, listener] of this.#listeners) events.on(name, listener as never);
  }

  /** Follows no more. */
  close(): void {
    for (const [name, listener] of this.#listeners) this.#events.off(name, listener as never);
  }

  /** Number of the last line. */
  get seq(): number {
    return this.#seq;
  }

  /** The latest lines behind a number, oldest first, at most `most`. */
  linesSince(seq: number, most: number): Line[] {
    return this.#lines.filter((line) => line.seq > seq).slice(-most);
  }

  /** Seconds from this one on, oldest first. */
  secondsSince(second: number): Second[] {
    return this.#seconds.filter((entry) => entry.second >= second).map((entry) => ({ ...entry }));
  }

  failures(): { devices: number; groups: FailureGroup[] } {
    const groups = [...this.#byRule].map(([rule, devices]) => ({ rule, devices, means: rules[rule].means, remedy: rules[rule].remedy }));
    return { devices: this.#failing.size, groups: groups.sort((a, b) => b.devices - a.devices || (a.rule < b.rule ? -1 : 1)) };
  }

  /** Failing devices, those that failed last first. */
  failing({ rule, limit, skip }: { rule?: Rule | undefined; limit: number; skip: number }): { items: FailingDevice[]; more: boolean } {
    const all = [...this.#failing.values()].reverse().filter(({ attempt }) => rule === undefined || attempt.reason.rule === rule);
    const items = all.slice(skip, skip + limit).map(({ attempt, ...device }) => ({ ...device, attempt: attemptView(attempt) }));
    return { items, more: all.length > skip + limit };
  }

  #note(event: EventName, what: Omit<Line, 'seq' | 'at' | 'event'>): void {
    const at = this.#clock.now();
    this.counts[event]++;
    this.#lines.push({ ...what, seq: ++this.#seq, at, event, id: short(what.id), text: short(what.text) });
    if (this.#lines.length > KEPT.lines) this.#lines.shift();
    this.#second(Math.floor(at / 1000))[event]++;
  }

  #second(second: number): Second {
    const last = this.#seconds.at(-1);
    // A clock that was set back counts into the second that it had reached.
    if (last !== undefined && last.second >= second) return last;
    const fresh = { second, ...noCounts() };
    this.#seconds.push(fresh);
    if (this.#seconds.length > KEPT.seconds) this.#seconds.shift();
    return fresh;
  }

  #failed(attempt: Attempt): void {
    if (attempt.id.length > LONGEST) return;
    const key = canonicalRegistrationId(attempt.id);
    const before = this.#recovered(attempt.id);
    this.#failing.set(key, { id: attempt.id, refusals: (before ?? 0) + 1, attempt });
    this.#byRule.set(attempt.reason.rule, (this.#byRule.get(attempt.reason.rule) ?? 0) + 1);
    if (this.#failing.size <= KEPT.failing) return;
    const oldest = this.#failing.keys().next();
    if (oldest.done !== true) this.#recovered(oldest.value);
  }

  /** @returns how often it had been refused */
  #recovered(id: string): number | undefined {
    const key = canonicalRegistrationId(id);
    const known = this.#failing.get(key);
    if (known === undefined) return undefined;
    this.#failing.delete(key);
    const { rule } = known.attempt.reason;
    const left = (this.#byRule.get(rule) ?? 1) - 1;
    if (left === 0) this.#byRule.delete(rule);
    else this.#byRule.set(rule, left);
    return known.refusals;
  }
}

function noCounts(): EventCounts {
  return Object.fromEntries(EVENT_NAMES.map((name) => [name, 0])) as EventCounts;
}

function lineOf(attempt: Attempt): Omit<Line, 'seq' | 'at' | 'event'> {
  const { rule, text, remedy } = attemptView(attempt).reason;
  return { id: attempt.id, host: attempt.host, text, rule, ...(remedy === undefined ? {} : { remedy }) };
}

function short(text: string): string {
  return text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text;
}
