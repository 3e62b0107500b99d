// A process that does TLS for a local cloud (see Fronts): it is handed TCP connections, and passes on what is in them.
import { Socket } from 'node:net';
import type { Server } from 'node:tls';
import { pino } from 'pino';
import { LINGER_MS, type Secured } from '../channel.js';
import { tlsServer, tlsSettings } from '../listener.js';
import { presentedCertificate } from '../presented.js';
import type { Lane } from './lane.js';
import { Mux } from './mux.js';
import { type Arrival, type FrontMessage, type FrontOrders, WAY_DESCRIPTOR } from './orders.js';

const way = new Socket({ fd: WAY_DESCRIPTOR, readable: true, writable: true });
const mux = new Mux({ way });
let servers: Server[] = [];

// The cloud ends this process; Ctrl-C in a terminal reaches all of them at once.
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit());
way.on('error', () => process.exit());
way.on('close', () => process.exit());

process.on('message', (message: FrontMessage, socket?: Socket) => {
  if ('doors' in message) prepare(message);
  // Without descriptors left, a connection arrives without its socket.
  else if (socket !== undefined) {
    // Without a listener, a reset connection would end the process.
    socket.on('error', () => {});
    servers[message.door]?.emit('connection', socket);
  }
});

function prepare({ identity, handshakeTimeout, doors }: FrontOrders): void {
  const log = pino({ level: 'silent' });
  servers = doors.map((alpn, door) => {
    const settings = { ...tlsSettings(identity, handshakeTimeout), ...(alpn.length === 0 ? {} : { ALPNProtocols: [...alpn] }) };
    const server = tlsServer(settings, (socket) => carry(socket, mux.open(announce(door, socket))), log);
    return server.on('tlsClientError', (error) => mux.note(error.message));
  });
  process.send?.('ready');
}

/** What the cloud is told of a connection: an {@link Arrival}. */
function announce(door: number, socket: Secured): Buffer {
  const presented = presentedCertificate(socket);
  const certificates = presented === undefined ? [] : [presented.leaf, ...presented.sent].map(({ raw }) => raw.toString('base64'));
  const arrival: Arrival = { door, localAddress: socket.localAddress, certificates };
  return Buffer.from(JSON.stringify(arrival));
}

/** Joins a TLS connection with the lane that carries its bytes. */
function carry(socket: Secured, lane: Lane): void {
  // The cloud says when its direction ends.
  socket.allowHalfOpen = true;
  socket.pipe(lane);
  lane.pipe(socket);
  socket.on('error', (error) => lane.destroy(error));
  socket.on('close', () => lane.destroy());
  lane.on('error', () => {});
  const linger = (): void => void setTimeout(() => socket.destroy(), LINGER_MS).unref();
  // What it had sent is still passed on when the other end of the lane is gone.
  lane.on('parted', linger);
  lane.on('close', () => {
    socket.destroySoon();
    linger();
  });
}
