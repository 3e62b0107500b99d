import type { Socket } from 'node:net';
import type { Server } from 'node:tls';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Logger } from 'pino';
import type { ServerIdentity } from '../authority.js';
import { Front } from './front.js';

/** Connections that may wait for one front: more are refused, as a full backlog would refuse them. */
const MAX_WAITING = 1000;
/** Milliseconds until a front is started again whose forerunner did not even get ready. */
const RESTART_MS = 1000;

/** What fronts work with. */
export interface FrontsParts {
  /** How many, at least 1. */
  workers: number;
  doors: readonly Door[];
  identity: ServerIdentity;
  /** Milliseconds. */
  handshakeTimeout: number;
  clock: Clock;
  log: Logger;
}

/** A front, for people. */
export interface FrontView {
  /** Process id. */
  pid: number;
  /** That it has or is about to get. */
  connections: number;
}

/** A door whose connections go through fronts. */
export interface Door {
  /** Hears `secureConnection`, as of its own TLS. */
  server: Server;
  /** What it agrees on by ALPN. Default: nothing. */
  alpn?: readonly string[];
}

/**
 * Processes that do the TLS of a cloud, which costs most of a connection's time and each connection's descriptors. Everything else stays in the
 * process of the cloud: it accepts a connection, hands it to the front that has fewest, and gets back what is in it, as a socket.
 */
export class Fronts {
  readonly #parts: FrontsParts;
  readonly #fronts = new Set<Front>();
  readonly #closing = new AbortController();

  private constructor(parts: FrontsParts) {
    this.#parts = parts;
  }

  /** @throws CloudFault FRONT_FAILED */
  static async start(parts: FrontsParts): Promise<Fronts> {
    const fronts = new Fronts(parts);
    for (let count = 0; count < parts.workers; count++) fronts.#add();
    try {
      await Promise.all([...fronts.#fronts].map((front) => front.ready));
    } catch (error) {
      await fronts.close();
      throw error;
    }
    return fronts;
  }

  /** What takes the connections of a door, before anything is read from them. */
  door(server: Server): (socket: Socket) => void {
    const door = this.#parts.doors.findIndex((each) => each.server === server);
    return (socket) => this.#take(door, socket);
  }

  /** Ends the processes; resolves when they are gone. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all([...this.#fronts].map((front) => front.close()));
  }

  /** The fronts that run now. */
  list(): FrontView[] {
    return [...this.#fronts].map(({ pid = 0, load }) => ({ pid, connections: load }));
  }

  #take(door: number, socket: Socket): void {
    const [best] = [...this.#fronts].sort((one, other) => one.load - other.load);
    if (best === undefined || best.waiting >= MAX_WAITING) {
      this.#parts.log.warn('a connection was refused: no front has room');
      socket.destroy();
    } else best.take(door, socket);
  }

  #add(): void {
    const { doors, identity, handshakeTimeout, log } = this.#parts;
    const front = new Front({
      orders: { identity, handshakeTimeout, doors: doors.map(({ alpn = [] }) => alpn) },
      onConnection: (socket) => doors[socket.door]?.server.emit('secureConnection', socket),
      log,
    });
    this.#fronts.add(front);
    void front.ended.then((end) => this.#replace(front, end));
  }

  async #replace(front: Front, { wasReady, how, left }: Awaited<Front['ended']>): Promise<void> {
    this.#fronts.delete(front);
    const { clock, log } = this.#parts;
    const { signal } = this.#closing;
    if (!signal.aborted) {
      log.warn({ pid: front.pid, how }, 'a TLS front died; its connections ended');
      // A front that cannot even start would be started without end.
      if (!wasReady) await clock.wait(RESTART_MS, signal).catch(() => {});
      if (!signal.aborted) this.#add();
    }
    for (const { door, socket } of left) {
      if (signal.aborted) socket.destroy();
      else this.#take(door, socket);
    }
  }
}
