import { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import { endSoon } from '../channel.js';

/** What the AMQP library takes for a socket: it hears what is let through, and writes what then leaves in one piece. */
export class Pipe extends EventEmitter<{ data: [Buffer]; error: [Error]; end: [] }> {
  readonly #stream: Duplex;
  #corked = false;

  constructor(stream: Duplex) {
    super();
    this.#stream = stream;
  }

  write(bytes: Buffer): boolean {
    if (!this.#stream.writable) return false;
    if (!this.#corked) {
      this.#corked = true;
      this.#stream.cork();
      process.nextTick(() => {
        this.#corked = false;
        this.#stream.uncork();
      });
    }
    return this.#stream.write(bytes);
  }

  end(): void {
    endSoon(this.#stream);
  }

  destroy(): void {
    this.#stream.destroy();
  }
}
