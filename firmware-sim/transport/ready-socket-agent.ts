import { Agent } from 'node:https';
import type { Duplex } from 'node:stream';

/** Hands a connection that stands already to a library that wants to open its own by HTTP: for one request, or one WebSocket. */
export class ReadySocketAgent extends Agent {
  readonly #socket: Duplex;

  constructor(socket: Duplex) {
    super({ keepAlive: false });
    this.#socket = socket;
  }

  override createConnection(): Duplex {
    return this.#socket;
  }
}
