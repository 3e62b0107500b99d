import type { JsonObject } from '@zerotouch/azure-wire/twin';
import type { Journal } from '../journal.js';

/** What the hub needs of a connection, whatever the protocol. */
export interface Line {
  /** Hands a change of the desired properties on, if the device listens. `patch` holds no `$version`. */
  desired(patch: JsonObject, version: number): void;
  /** Ends the connection. */
  end(cause: string): void;
}

/** The live connections of one hub, by device. They live in the process that holds their sockets, not in the store. */
export class Lines {
  readonly #hub: string;
  readonly #journal: Journal;
  readonly #lines = new Map<string, Set<Line>>();

  constructor({ hub, journal }: { hub: string; journal: Journal }) {
    this.#hub = hub;
    this.#journal = journal;
  }

  attach(deviceId: string, authentication: 'sas' | 'selfSigned', line: Line): void {
    const lines = this.#lines.get(deviceId) ?? new Set();
    this.#lines.set(deviceId, lines.add(line));
    this.#journal.tell('connected', { hub: this.#hub, deviceId, authentication });
  }

  detach(deviceId: string, line: Line, cause: string): void {
    const lines = this.#lines.get(deviceId);
    if (lines?.delete(line) !== true) return;
    if (lines.size === 0) this.#lines.delete(deviceId);
    this.#journal.tell('disconnected', { hub: this.#hub, deviceId, cause });
  }

  /** Devices that are connected. */
  get size(): number {
    return this.#lines.size;
  }

  has(deviceId: string): boolean {
    return this.#lines.has(deviceId);
  }

  push(deviceId: string, patch: JsonObject, version: number): void {
    for (const line of this.#lines.get(deviceId) ?? []) line.desired(patch, version);
  }

  /** Ends a device's connections. @returns how many there were */
  drop(deviceId: string, cause: string): number {
    // Copied: an ending line takes itself out of the set.
    const lines = [...(this.#lines.get(deviceId) ?? [])];
    for (const line of lines) line.end(cause);
    return lines.length;
  }
}
