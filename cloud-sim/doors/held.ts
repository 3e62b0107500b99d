import type { Logger } from 'pino';
import type { LockedMessage, Settlement } from '../hub/messages.js';
import type { HubSession } from '../hub/session.js';

/** Messages that one connection may hold at a time. */
const MOST = 16;

/** The cloud-to-device messages that one connection holds: those that it has not settled when it ends wait for the next. */
export class Held {
  readonly #hub: HubSession;
  readonly #log: Logger;
  readonly #tokens = new Set<string>();
  #filling: Promise<void> | undefined;
  #again = false;
  #closed = false;

  constructor(hub: HubSession, log: Logger) {
    this.#hub = hub;
    this.#log = log;
  }

  /**
   * Takes what waits, as much as may be held, and hands it to `deliver`; one run at a time, so that the order stays.
   * @param room how many more the client takes
   */
  async fill(deliver: (message: LockedMessage) => void, room: () => number = () => MOST): Promise<void> {
    this.#again = true;
    this.#filling ??= this.#fill(deliver, room)
      .catch((error: unknown) => this.#log.error({ err: error }, 'messages to a device could not be handed over'))
      .finally(() => {
        this.#filling = undefined;
      });
    await this.#filling;
  }

  async settle(lockToken: string, how: Settlement): Promise<boolean> {
    this.#tokens.delete(lockToken);
    return this.#hub.settle(lockToken, how);
  }

  close(): void {
    this.#closed = true;
    for (const token of this.#tokens) {
      this.#hub.settle(token, 'release').catch((error: unknown) => this.#log.error({ err: error }, 'a message could not be released'));
    }
    this.#tokens.clear();
  }

  async #fill(deliver: (message: LockedMessage) => void, room: () => number): Promise<void> {
    while (this.#again) {
      this.#again = false;
      while (!this.#closed && this.#tokens.size < MOST && room() > 0) {
        const message = await this.#hub.receive();
        if (message === undefined) break;
        if (this.#closed) return void (await this.#hub.settle(message.lockToken, 'release'));
        this.#tokens.add(message.lockToken);
        deliver(message);
      }
    }
  }
}
