import type { TLSSocket } from 'node:tls';
import {
  DISCONNECT,
  encodeConnect,
  encodePuback,
  encodePublish,
  encodeSubscribe,
  type Heard,
  PacketReader,
  PINGREQ,
} from '@zerotouch/azure-wire/mqtt-packets';
import type { Failure } from '@zerotouch/firmware-sim/boot/ports';
import { dropped, invalid, sortConnack, sortConnectionError, timedOut } from '@zerotouch/firmware-sim/transport/evidence';
import { Lifeline } from '@zerotouch/firmware-sim/transport/lifeline';
import type { LineRequest, OpenLine, WireLine } from '@zerotouch/firmware-sim/transport/wire-line';
import type { Clock } from '@zerotouch/foundation/clock';
import type { Pulse, Pulsed } from './pulse.js';
import type { Sockets } from './sockets.js';

/** Seconds of silence that the server is promised at most, and after how many a ping is sent. Source: as the single device's. */
const KEEP_ALIVE_SECONDS = 180;
const PING_AFTER_MS = 150_000;
/** How long a server may be silent after a ping, milliseconds. */
const PING_PATIENCE_MS = 30_000;

/** What lines share. */
export interface LineParts {
  readonly sockets: Sockets;
  readonly pulse: Pulse;
}

/** A subscription that is asked for before anybody waits for its answer. */
interface EarlySubscription {
  readonly filters: readonly string[];
  answer: Heard | Failure | undefined;
  waiting: ((heard: Heard | Failure) => void) | undefined;
}

/** Opens {@link LeanLine}s: what `createWireDps` and `createWireHub` take instead of a line over the `mqtt` package. */
export function leanLines(parts: LineParts): OpenLine {
  return (request, clock, signal) => LeanLine.open(request, parts, clock, signal);
}

/**
 * One signed-in MQTT connection of a device of a fleet: the packets of DPS and hub and no others, one write each; sign-in and first subscription
 * go out together. It keeps itself alive by the fleet's one timer.
 */
class LeanLine implements WireLine, Pulsed {
  readonly life = new Lifeline();
  readonly #pulse: Pulse;
  readonly #clock: Clock;
  readonly #socket: TLSSocket;
  readonly #reader = new PacketReader();
  readonly #waiting = new Map<number, (heard: Heard | Failure) => void>();
  #listener: ((topic: string, payload: Uint8Array) => void) | undefined;
  /** What came before anybody listened: a server may speak in the very piece that lets the device in. */
  #unheard: [string, Uint8Array][] = [];
  /** The answer to the subscription that went out with the sign-in. */
  readonly #early: EarlySubscription | undefined;
  #signedIn: ((answer: { outcome: 'open' } | Failure) => void) | undefined;
  #standing = false;
  #count = 0;
  #heardAt = 0;

  private constructor({ clientId, username, password, filters }: LineRequest, socket: TLSSocket, pulse: Pulse, clock: Clock) {
    this.#pulse = pulse;
    this.#clock = clock;
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#hear(chunk));
    socket.on('error', (error) => {
      const failure = sortConnectionError(error);
      this.#lose(this.#standing && failure.outcome === 'unreachable' ? dropped(failure.detail) : failure);
    });
    socket.on('end', () => this.#lose(this.#closedByServer()));
    socket.on('close', () => this.#lose(this.#closedByServer()));
    const packets = [encodeConnect({ clientId, username, password, keepAlive: KEEP_ALIVE_SECONDS })];
    if (filters !== undefined) {
      const early: EarlySubscription = { filters, answer: undefined, waiting: undefined };
      this.#early = early;
      const id = this.#await((heard) => {
        early.answer = heard;
        early.waiting?.(heard);
      });
      packets.push(encodeSubscribe(id, filters));
    }
    socket.once('secureConnect', () => socket.write(Buffer.concat(packets)));
  }

  static async open(
    request: LineRequest,
    { sockets, pulse }: LineParts,
    clock: Clock,
    signal: AbortSignal,
  ): Promise<{ outcome: 'open'; line: LeanLine } | Failure> {
    let socket: TLSSocket;
    try {
      const address = await sockets.addressOf(request.host);
      if (signal.aborted) return timedOut();
      socket = sockets.dial(request, address);
    } catch (error) {
      return sortConnectionError(error);
    }
    const line = new LeanLine(request, socket, pulse, clock);
    const outcome = await line.life.during<{ outcome: 'open' }>(signal, (answer) => {
      line.#signedIn = answer;
      return undefined;
    });
    line.#signedIn = undefined;
    if (outcome.outcome === 'open') return { outcome: 'open', line };
    await line.cut();
    return outcome;
  }

  subscribe(filters: readonly string[], signal: AbortSignal): Promise<{ outcome: 'subscribed' } | Failure> {
    return this.life.during<{ outcome: 'subscribed' }>(signal, (answer) => {
      const hear = (heard: Heard | Failure): void => answer(granted(heard));
      const early = this.#early;
      if (early?.filters === filters) {
        if (early.answer === undefined) early.waiting = hear;
        else hear(early.answer);
        return undefined;
      }
      const id = this.#await(hear);
      this.#socket.write(encodeSubscribe(id, filters));
      return () => this.#waiting.delete(id);
    });
  }

  publish(topic: string, body: string, acknowledged?: (failure: Failure | undefined) => void): void {
    const { end } = this.life;
    if (end !== undefined) {
      acknowledged?.(end);
      return;
    }
    const id = this.#await((heard) => acknowledged?.('kind' in heard ? undefined : heard));
    this.#socket.write(encodePublish(topic, body, id));
  }

  onMessage(listener: (topic: string, payload: Uint8Array) => void): void {
    this.#listener = listener;
    for (const [topic, payload] of this.#unheard) listener(topic, payload);
    this.#unheard = [];
  }

  async close(): Promise<void> {
    this.life.close();
    this.#pulse.delete(this);
    const socket = this.#socket;
    if (!socket.destroyed && socket.writable) {
      socket.write(DISCONNECT);
      socket.destroySoon();
    } else socket.destroy();
    await closed(socket);
  }

  async cut(): Promise<void> {
    this.life.close();
    this.#pulse.delete(this);
    this.#socket.destroy();
    await closed(this.#socket);
  }

  beat(now: number): void {
    const silence = now - this.#heardAt;
    if (silence >= PING_AFTER_MS + PING_PATIENCE_MS) this.#lose(dropped('the server did not answer a ping'));
    else if (silence >= PING_AFTER_MS) this.#socket.write(PINGREQ);
  }

  #hear(chunk: Buffer): void {
    if (this.life.end !== undefined) return;
    this.#heardAt = this.#clock.monotonic();
    try {
      for (const heard of this.#reader.read(chunk)) this.#take(heard);
    } catch (error) {
      this.#lose(invalid(error instanceof Error ? error.message : String(error)));
    }
  }

  #take(heard: Heard): void {
    if (heard.kind === 'connack') {
      if (heard.returnCode === 0) {
        this.#standing = true;
        this.#pulse.add(this);
        this.#signedIn?.({ outcome: 'open' });
      } else this.#lose(sortConnack(heard.returnCode));
    } else if (heard.kind === 'publish') {
      if (heard.qos === 1) this.#socket.write(encodePuback(heard.messageId));
      if (this.#listener === undefined) this.#unheard.push([heard.topic, heard.payload]);
      else this.#listener(heard.topic, heard.payload);
    } else if (heard.kind !== 'pingresp') {
      const waiting = this.#waiting.get(heard.messageId);
      this.#waiting.delete(heard.messageId);
      waiting?.(heard);
    }
  }

  #await(answer: (heard: Heard | Failure) => void): number {
    do this.#count = (this.#count % 0xffff) + 1;
    while (this.#waiting.has(this.#count));
    this.#waiting.set(this.#count, answer);
    return this.#count;
  }

  #lose(failure: Failure): void {
    if (this.life.end !== undefined) return;
    this.#pulse.delete(this);
    this.life.lose(failure);
    for (const answer of [...this.#waiting.values()]) answer(failure);
    this.#waiting.clear();
    this.#socket.destroy();
  }

  #closedByServer(): Failure {
    return dropped(this.#standing ? 'the server closed the connection' : 'the server closed the connection before it answered CONNECT');
  }
}

function granted(heard: Heard | Failure): { outcome: 'subscribed' } | Failure {
  if (!('kind' in heard)) return heard;
  if (heard.kind === 'suback' && heard.granted.every((qos) => qos < 128)) return { outcome: 'subscribed' };
  return { outcome: 'ambiguous', detail: 'SUBACK 128: the subscription was not granted' };
}

function closed(socket: TLSSocket): Promise<void> | undefined {
  if (socket.closed) return undefined;
  return new Promise((resolve) => socket.once('close', () => resolve()));
}
