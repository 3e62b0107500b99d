import type { Duplex } from 'node:stream';
import type { Clock } from '@zerotouch/foundation/clock';

/** DISCONNECT, the whole packet. Source: MQTT 3.1.1, 3.14. */
const DISCONNECT = Buffer.of(0xe0, 0x00);

/** How long a server may take to end its side after a DISCONNECT, milliseconds. */
const FAREWELL_MS = 1_000;

/** Frees a socket now, and resolves when it is gone. */
export function cut(socket: Duplex): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) return resolve();
    socket.once('close', () => resolve());
    // An error on the way out has nobody left to tell.
    socket.on('error', () => undefined);
    socket.destroy();
  });
}

/**
 * Ends an MQTT connection with a DISCONNECT and frees its socket, whether or not the server plays along. The libraries' own `end`
 * waits for acknowledgements that may never come.
 */
export async function hangUp(socket: Duplex, clock: Clock): Promise<void> {
  if (!socket.closed && !socket.destroyed && socket.writable) {
    const over = new AbortController();
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    socket.on('error', () => undefined);
    socket.end(DISCONNECT);
    await Promise.race([closed, clock.wait(FAREWELL_MS, over.signal).catch(() => undefined)]);
    over.abort();
  }
  await cut(socket);
}
