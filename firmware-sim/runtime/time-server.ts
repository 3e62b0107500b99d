import { createSocket } from 'node:dgram';
import { type Clock, systemClock } from '@zerotouch/foundation/clock';
import type { TimePort } from '../boot/ports.js';
import { isTimeKnown } from '../transport/time-known.js';

/** Port of NTP. Source: RFC 5905. */
const NTP_PORT = 123;
/** Between 1900, where NTP counts from, and 1970, milliseconds. */
const NTP_EPOCH_MS = Date.UTC(1900, 0, 1);
/** NTP's 32 bits of seconds begin anew on 7 February 2036: what is before 1968 is after that. Source: RFC 4330, section 3. */
const ERA_MS = 2 ** 32 * 1000;
const ERA_PIVOT_MS = Date.UTC(1968, 0, 20, 3, 14, 8);
/** How long one time server is waited for, milliseconds. */
const ANSWER_MS = 5_000;

/** A clock that can be told the time. It never touches the machine's own. */
export class SettableClock implements Clock {
  readonly #inner: Clock;
  #offset = 0;

  constructor(inner: Clock = systemClock) {
    this.#inner = inner;
  }

  now(): number {
    return this.#inner.now() + this.#offset;
  }

  monotonic(): number {
    return this.#inner.monotonic();
  }

  wait(ms: number, signal?: AbortSignal): Promise<void> {
    return this.#inner.wait(ms, signal);
  }

  /** Moves the time by so many milliseconds. */
  adjust(ms: number): void {
    this.#offset += ms;
  }
}

/** One packet out, one in; rejects when `signal` is aborted or the network fails. Handed in, so that tests need no network. */
export type Exchange = (server: string, packet: Uint8Array, signal: AbortSignal) => Promise<Uint8Array>;

/**
 * How far a clock is off, by one time server, milliseconds. Source: RFC 4330 (SNTP), sections 5 and 10.
 * @throws Error when the answer is none: another mode, no time (stratum 0 or 16, leap 3), or not to this question
 */
export async function askTimeServer(server: string, clock: Clock, exchange: Exchange, signal: AbortSignal): Promise<number> {
  const request = Buffer.alloc(48);
  // Version 4, client.
  request[0] = 0x23;
  const sentAt = clock.now();
  writeTimestamp(request, 40, sentAt);
  const started = clock.monotonic();
  const answer = Buffer.from(await exchange(server, request, signal));
  const receivedAt = sentAt + (clock.monotonic() - started);
  if (answer.length < 48) throw new Error(`${server}: the answer has ${answer.length} bytes, not 48`);
  const [head = 0, stratum = 0] = answer;
  if ((head & 7) !== 4 || head >> 6 === 3 || stratum === 0 || stratum > 15)
    throw new Error(`${server} does not tell the time (stratum ${stratum})`);
  // The originate timestamp is ours, or the answer is to somebody else's question, or forged.
  if (!answer.subarray(24, 32).equals(request.subarray(40, 48))) throw new Error(`${server}: the answer is not to this question`);
  return (readTimestamp(answer, 32) - sentAt + (readTimestamp(answer, 40) - receivedAt)) / 2;
}

/**
 * Sets a device's clock: from the machine when that was ever told the time, else from the first time server that answers. A device that
 * nobody tells the time goes on without.
 */
export function timePort(clock: SettableClock, servers: readonly string[], exchange: Exchange = overUdp): TimePort {
  return {
    async set(signal) {
      if (isTimeKnown(clock)) return 'clock-set';
      for (const server of servers) {
        if (signal.aborted) break;
        try {
          clock.adjust(await askTimeServer(server, clock, exchange, signal));
          if (isTimeKnown(clock)) return 'clock-set';
        } catch {
          // The next one may answer.
        }
      }
      return 'clock-unset';
    },
  };
}

/** An exchange over UDP with `host` or `host:port`. */
export const overUdp: Exchange = (server, packet, signal) => {
  const [, host = server, port] = /^(.+?)(?::(\d+))?$/.exec(server) ?? [];
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    const limit = setTimeout(() => finish(new Error(`${server} did not answer`)), ANSWER_MS);
    const onAbort = (): void => finish(new Error('called off'));
    const finish = (result: Error | Uint8Array): void => {
      clearTimeout(limit);
      signal.removeEventListener('abort', onAbort);
      socket.close();
      if (result instanceof Error) reject(result);
      else resolve(result);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('error', finish);
    socket.once('message', finish);
    socket.connect(port === undefined ? NTP_PORT : Number(port), host, () => socket.send(packet));
  });
};

function writeTimestamp(packet: Buffer, at: number, epochMs: number): void {
  const ms = (((epochMs - NTP_EPOCH_MS) % ERA_MS) + ERA_MS) % ERA_MS;
  packet.writeUInt32BE(Math.floor(ms / 1000), at);
  packet.writeUInt32BE(Math.floor(((ms % 1000) / 1000) * 2 ** 32), at + 4);
}

function readTimestamp(packet: Buffer, at: number): number {
  const ms = NTP_EPOCH_MS + packet.readUInt32BE(at) * 1000 + (packet.readUInt32BE(at + 4) / 2 ** 32) * 1000;
  return ms < ERA_PIVOT_MS ? ms + ERA_MS : ms;
}
