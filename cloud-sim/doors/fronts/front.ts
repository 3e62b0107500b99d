import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { NODE_ARGUMENTS_FOR_THOUSANDS } from '@zerotouch/foundation/garbage';
import type { Logger } from 'pino';
import { CloudFault } from '../../faults.js';
import { FrontedSocket } from './fronted-socket.js';
import { Mux } from './mux.js';
import { type FrontOrders, WAY_DESCRIPTOR } from './orders.js';

/** Milliseconds that a front has to end by itself. */
const END_MS = 5000;

/** What a front is made of. */
export interface FrontParts {
  orders: FrontOrders;
  onConnection(socket: FrontedSocket): void;
  log: Logger;
}

/** How a front ended. */
export interface FrontEnd {
  wasReady: boolean;
  /** For people. */
  how: string;
  /** Connections that it was not handed any more. */
  left: { door: number; socket: Socket }[];
}

/** One process that does TLS, seen from the cloud. */
export class Front {
  /** Rejects with CloudFault FRONT_FAILED when it ends before. */
  readonly ready: Promise<void>;
  readonly ended: Promise<FrontEnd>;
  readonly #process: ChildProcess;
  readonly #way: Duplex;
  readonly #mux: Mux;
  /** Connections on their way to it, by their door. */
  readonly #waiting = new Map<Socket, number>();

  constructor({ orders, onConnection, log }: FrontParts) {
    this.#process = fork(fileURLToPath(new URL('./tls-front.js', import.meta.url)), [], {
      // Not those of this process: a debugger's port can be had once.
      execArgv: [...NODE_ARGUMENTS_FOR_THOUSANDS],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc', 'pipe'],
    });
    this.#way = this.#process.stdio[WAY_DESCRIPTOR] as Duplex;
    this.#mux = new Mux({
      way: this.#way,
      onOpen: (mux, id, header) => {
        const socket = new FrontedSocket(mux, id, header);
        onConnection(socket);
        return socket;
      },
      onNote: (text) => log.debug({ cause: text }, 'a TLS handshake failed'),
    });
    this.#way.on('error', () => {});
    let wasReady = false;
    this.ended = endOf(this.#process, log).then((how) => {
      this.#mux.close('the TLS front of the connection ended');
      const left = [...this.#waiting].map(([socket, door]) => ({ door, socket }));
      this.#waiting.clear();
      return { wasReady, how, left };
    });
    this.ready = Promise.race([
      once(this.#process, 'message').then(() => {
        wasReady = true;
      }),
      this.ended.then(({ how }) => {
        throw new CloudFault('FRONT_FAILED', 'a process for TLS did not start', { seen: how });
      }),
    ]);
    // Who does not wait for it hears of the end all the same.
    this.ready.catch(() => {});
    this.#process.send(orders);
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Connections that it has or will have. */
  get load(): number {
    return this.#mux.size + this.#waiting.size;
  }

  /** Connections on their way to it. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Hands it a connection, whose socket nobody has read from. */
  take(door: number, socket: Socket): void {
    socket.on('error', () => {});
    this.#waiting.set(socket, door);
    this.#process.send({ door }, socket, { keepOpen: false }, (error) => {
      // A socket that was not sent is given to another when this one's end is heard of.
      if (error === null) this.#waiting.delete(socket);
    });
  }

  /** Lets it go, once it has what was sent; resolves when it is gone. */
  async close(): Promise<void> {
    this.#way.end();
    const late = setTimeout(() => this.#process.kill('SIGKILL'), END_MS);
    await this.ended;
    clearTimeout(late);
  }
}

/** How a process ended, or could not be started. */
function endOf(child: ChildProcess, log: Logger): Promise<string> {
  return new Promise((resolve) => {
    child.on('exit', (code, signal) => resolve(signal === null ? `exit code ${code}` : `signal ${signal}`));
    child.on('error', (error) => {
      log.debug({ err: error }, 'a TLS front failed');
      if (child.pid === undefined) resolve(error.message);
    });
  });
}
