import type { JsonObject } from '@zerotouch/azure-wire/twin';
import type { Journal } from '../journal.js';
import type { Transport } from '../reasons.js';
import { type Identity, identityKey } from './identity.js';
import type { AuthenticationType } from './sign-in.js';

/** Who is on a line, and how. */
export interface OnLine {
  identity: Identity;
  transport: Transport;
  authentication: AuthenticationType;
}

/** A direct method as it goes to a device. */
export interface MethodCall {
  /** Ties the answer to the call; opaque to the device. */
  rid: string;
  name: string;
  /** JSON text. */
  payload: string;
}

/** What the hub needs of a connection, whatever the protocol. */
export interface Line {
  /** Hands a change of the desired properties on, if the device listens. `patch` holds no `$version`. */
  desired(patch: JsonObject, version: number): void;
  /** Hands a method call on. @returns `false` when the device does not listen for methods */
  method(call: MethodCall): boolean;
  /** Tells that a cloud-to-device message waits. */
  message(): void;
  /** Ends the connection. */
  end(cause: string): void;
}

/** What a hub knows of an identity besides its records: it lives as long as the process. Times are milliseconds since 1970. */
export interface Activity {
  connected: boolean;
  changedAt: number;
  lastAt: number;
}

/** What the lines work with. */
export interface LinesParts {
  hub: string;
  journal: Journal;
  now: () => number;
  /** Hears that a newer connection takes the place of an older one. */
  onReplaced(identity: Identity, transport: Transport): void;
}

/** The live connections of one hub, one an identity. They live in the process that holds their sockets, not in the store. */
export class Lines {
  readonly #parts: LinesParts;
  readonly #lines = new Map<string, { identity: Identity; transport: Transport; line: Line }>();
  readonly #activity = new Map<string, Activity>();
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(parts: LinesParts) {
    this.#parts = parts;
  }

  /** The newest connection counts: an older one of the same identity ends. Source: hub/troubleshoot-error-codes, 400027 and 409002. */
  attach({ identity, transport, authentication }: OnLine, line: Line): void {
    const key = identityKey(identity);
    const older = this.#lines.get(key);
    if (older !== undefined) {
      this.#parts.onReplaced(identity, older.transport);
      older.line.end('a newer connection of the same identity took its place');
    }
    this.#lines.set(key, { identity, transport, line });
    this.#note(key, true);
    this.#parts.journal.tell('connected', { hub: this.#parts.hub, ...named(identity), authentication });
  }

  detach(identity: Identity, line: Line, cause: string): void {
    const key = identityKey(identity);
    const current = this.#lines.get(key);
    if (current?.line === line) {
      this.#lines.delete(key);
      this.#note(key, false);
    }
    this.#parts.journal.tell('disconnected', { hub: this.#parts.hub, ...named(identity), cause });
  }

  has(identity: Identity): boolean {
    return this.#lines.has(identityKey(identity));
  }

  /** How many connections there are. */
  get size(): number {
    return this.#lines.size;
  }

  activity(identity: Identity): Activity | undefined {
    return this.#activity.get(identityKey(identity));
  }

  /** Notes that an identity did something. */
  touch(identity: Identity): void {
    const activity = this.#activity.get(identityKey(identity));
    if (activity !== undefined) activity.lastAt = this.#parts.now();
  }

  push(identity: Identity, patch: JsonObject, version: number): void {
    this.#lines.get(identityKey(identity))?.line.desired(patch, version);
  }

  /** @returns whether somebody was there to take the call */
  call(identity: Identity, call: MethodCall): boolean {
    return this.#lines.get(identityKey(identity))?.line.method(call) ?? false;
  }

  /** Tells a connected device that a message waits. */
  wake(identity: Identity): void {
    this.#lines.get(identityKey(identity))?.line.message();
  }

  /** Runs `then` whenever the identity begins to listen for methods. @returns ends that */
  whenReady(identity: Identity, then: () => void): () => void {
    const key = identityKey(identity);
    const waiting = this.#waiting.get(key) ?? new Set();
    this.#waiting.set(key, waiting.add(then));
    return () => {
      waiting.delete(then);
      if (waiting.size === 0 && this.#waiting.get(key) === waiting) this.#waiting.delete(key);
    };
  }

  /** The identity listens for methods from now on. */
  ready(identity: Identity): void {
    for (const then of [...(this.#waiting.get(identityKey(identity)) ?? [])]) then();
  }

  /** Ends a device's connections, those of its modules too. @returns how many there were */
  drop({ deviceId, moduleId }: Identity, cause: string): number {
    const lines = [...this.#lines.values()].filter(
      ({ identity }) => identity.deviceId === deviceId && (moduleId === undefined || identity.moduleId === moduleId),
    );
    for (const { line } of lines) line.end(cause);
    return lines.length;
  }

  #note(key: string, connected: boolean): void {
    const now = this.#parts.now();
    this.#activity.set(key, { connected, changedAt: now, lastAt: now });
  }
}

function named({ deviceId, moduleId }: Identity): { deviceId: string; moduleId?: string } {
  return moduleId === undefined ? { deviceId } : { deviceId, moduleId };
}
