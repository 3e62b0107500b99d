import type { EventEmitter } from 'node:events';
import { timestampUtc } from '@zerotouch/azure-wire/errors';
import { canonicalRegistrationId } from '@zerotouch/azure-wire/ids';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Logger } from 'pino';
import type { CloudEvents } from './events.js';
import type { Attempt } from './reasons.js';
import type { AttemptLog } from './store/store.js';

/** Where the cloud writes down what happened: the attempts with their reasons, the events, the log. */
export class Journal {
  readonly #attempts: AttemptLog;
  readonly #events: EventEmitter<CloudEvents>;
  readonly #clock: Clock;
  readonly log: Logger;

  constructor({ attempts, events, clock, log }: { attempts: AttemptLog; events: EventEmitter<CloudEvents>; clock: Clock; log: Logger }) {
    this.#attempts = attempts;
    this.#events = events;
    this.#clock = clock;
    this.log = log;
  }

  /** Keeps an attempt, and tells of it when the device got a no. */
  async attempt(what: Omit<Attempt, 'at'>): Promise<void> {
    const attempt: Attempt = { at: timestampUtc(this.#clock.now()), ...what };
    await this.#attempts.append(canonicalRegistrationId(attempt.id), attempt);
    const refused = attempt.outcome === 'refused' || attempt.outcome === 'failed';
    this.log[refused ? 'warn' : 'info'](
      { service: attempt.service, host: attempt.host, id: attempt.id, wire: attempt.wire },
      attempt.reason.text,
    );
    if (refused) this.tell('refused', attempt);
  }

  /** Hands an event to whoever listens; a listener that throws is logged, and harms neither device nor cloud. */
  tell<Name extends keyof CloudEvents>(name: Name, ...[event]: CloudEvents[Name]): void {
    for (const listener of this.#events.rawListeners(name)) {
      try {
        Reflect.apply(listener, this.#events, [event]);
      } catch (error) {
        this.log.error({ err: error, event: name }, 'a listener of a cloud event threw');
      }
    }
  }
}
