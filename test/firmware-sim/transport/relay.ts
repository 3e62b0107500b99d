import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** What a network does to what goes through it. */
export type Weather =
  | 'fair'
  /** Takes connections, and nothing ever comes out at the other end. */
  | 'silent'
  /** An MTU black hole: a packet larger than the path takes is lost, as often as it is repeated, and all behind it in its direction. */
  | 'loses-large'
  /** Answers itself, as the gateway of a hotel does: HTTP, whatever is asked. */
  | 'captive'
  /** Bytes come a few at a time. */
  | 'slow';

/** Bytes of one packet that a path with the smallest MTU of IPv6 takes. */
const SMALL = 1_220;

/** A TLS record that begins a handshake: type 22, and in it a ClientHello (1). Source: RFC 8446, 5.1 and 4. */
const isClientHello = (bytes: Buffer): boolean => bytes[0] === 22 && bytes[5] === 1;

/** A stretch of network on loopback between a device and its cloud: counts the TLS handshakes that begin, and fails as networks do. */
export class Relay implements AsyncDisposable {
  weather: Weather = 'fair';
  /** TLS handshakes that a client began. */
  handshakes = 0;
  /** Connections that were accepted. */
  connections = 0;
  #onStuck: (() => void)[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /**
   * @param to port of the loopback address where it leads
   * @param host where it listens
   */
  static async open(to: number, host = '127.0.0.1'): Promise<Relay> {
    const server = createServer();
    const relay = new Relay(server);
    server.on('connection', (near) => relay.#accept(near, to));
    server.listen(0, host);
    await once(server, 'listening');
    return relay;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Resolves when the next connection is accepted over which nothing useful will ever come. */
  stuck(): Promise<void> {
    return new Promise((resolve) => this.#onStuck.push(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(near: Socket, to: number): void {
    this.connections += 1;
    const { weather } = this;
    this.#keep(near);
    near.once('data', (bytes: Buffer) => {
      if (isClientHello(bytes)) this.handshakes += 1;
    });
    if (weather === 'silent' || weather === 'loses-large') for (const tell of this.#onStuck.splice(0)) tell();
    if (weather === 'silent') return;
    if (weather === 'captive') {
      near.once('data', () => near.end('HTTP/1.1 302 Found\r\nLocation: http://hotel.example/sign-in\r\nContent-Length: 0\r\n\r\n'));
      return;
    }
    const far = connect({ port: to, host: '127.0.0.1', noDelay: true });
    this.#keep(far);
    carry(near, far, weather);
    carry(far, near, weather);
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => this.#sockets.delete(socket));
  }
}

function carry(from: Socket, to: Socket, weather: Weather): void {
  let lost = false;
  let last: Promise<void> = Promise.resolve();
  from.on('data', (bytes: Buffer) => {
    lost ||= weather === 'loses-large' && bytes.length > SMALL;
    if (lost) return;
    if (weather !== 'slow') to.write(bytes);
    else for (let at = 0; at < bytes.length; at += 200) last = last.then(() => trickle(to, bytes.subarray(at, at + 200)));
  });
  from.once('close', () => last.then(() => to.destroy()));
}

/** A few bytes, in a packet of their own. */
async function trickle(to: Socket, bytes: Uint8Array): Promise<void> {
  await new Promise<void>((resolve) => (to.destroyed ? resolve() : to.write(bytes, () => setImmediate(resolve))));
}
