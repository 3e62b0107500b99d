import type { Duplex } from 'node:stream';
import { type Carrier, FRAME, type FrameKind, Lane } from './lane.js';

/** Length of the payload (4 bytes, big endian), lane (4 bytes), kind (1 byte). */
const HEADER_BYTES = 9;
/** Longest payload; nobody but ourselves is at the other end, so a longer one is a fault of ours. */
const MAX_PAYLOAD = 1024 * 1024;

/** What a multiplexer is made of. */
export interface MuxParts {
  /** Bytes to the other process, in order and complete. */
  way: Duplex;
  /** The other side has opened a lane: makes our end of it. Without it, nobody opens lanes here. */
  onOpen?: (mux: Mux, id: number, header: Buffer) => Lane;
  /** The other side tells something that concerns no lane. */
  onNote?: (text: string) => void;
}

/** Many streams ({@link Lane}) over one way between two processes; both ends are of this class. */
export class Mux implements Carrier {
  readonly #parts: MuxParts;
  readonly #lanes = new Map<number, Lane>();
  /** Who waits until the way has room. */
  readonly #waiting: (() => void)[] = [];
  #next = 0;
  #corked = false;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #wanted = HEADER_BYTES;

  constructor(parts: MuxParts) {
    this.#parts = parts;
    parts.way.on('data', (chunk: Buffer) => this.#hear(chunk));
    parts.way.on('drain', () => {
      for (const go of this.#waiting.splice(0)) go();
    });
  }

  /** How many lanes are open. */
  get size(): number {
    return this.#lanes.size;
  }

  /** Opens a lane and tells the other side `header`. */
  open(header: Uint8Array): Lane {
    this.#next = (this.#next + 1) >>> 0;
    const lane = new Lane(this, this.#next);
    this.#lanes.set(lane.id, lane);
    this.send(lane.id, FRAME.open, header);
    return lane;
  }

  /** Tells the other side something that concerns no lane. It is lost when the way is full. */
  note(text: string): void {
    if (!this.#parts.way.writableNeedDrain) this.send(0, FRAME.note, Buffer.from(text));
  }

  send(id: number, kind: FrameKind, payload: Uint8Array = Buffer.alloc(0)): void {
    const { way } = this.#parts;
    if (!way.writable) return;
    const header = Buffer.allocUnsafe(HEADER_BYTES);
    header.writeUInt32BE(payload.length, 0);
    header.writeUInt32BE(id, 4);
    header.writeUInt8(kind, 8);
    if (!this.#corked) {
      // What one turn of the loop brings forth leaves in one piece.
      this.#corked = true;
      way.cork();
      process.nextTick(() => {
        this.#corked = false;
        way.uncork();
      });
    }
    way.write(header);
    if (payload.length > 0) way.write(payload);
  }

  whenRoom(go: () => void): void {
    if (this.#parts.way.writableNeedDrain) this.#waiting.push(go);
    else go();
  }

  forget(id: number): void {
    this.#lanes.delete(id);
  }

  /** Ends every lane: the other side is gone. */
  close(cause: string): void {
    for (const lane of [...this.#lanes.values()]) lane.gone(new Error(cause));
    for (const go of this.#waiting.splice(0)) go();
  }

  #hear(chunk: Buffer): void {
    this.#pending.push(chunk);
    this.#pendingBytes += chunk.length;
    if (this.#pendingBytes < this.#wanted) return;
    let bytes = this.#pending.length === 1 ? chunk : Buffer.concat(this.#pending, this.#pendingBytes);
    this.#wanted = HEADER_BYTES;
    while (bytes.length >= HEADER_BYTES) {
      const length = bytes.readUInt32BE(0);
      if (length > MAX_PAYLOAD) throw new Error(`a frame of ${length} bytes came from the other process`);
      const total = HEADER_BYTES + length;
      if (bytes.length < total) {
        this.#wanted = total;
        break;
      }
      this.#take(bytes.readUInt32BE(4), bytes.readUInt8(8) as FrameKind, bytes.subarray(HEADER_BYTES, total));
      bytes = bytes.subarray(total);
    }
    this.#pending = bytes.length > 0 ? [bytes] : [];
    this.#pendingBytes = bytes.length;
  }

  #take(id: number, kind: FrameKind, payload: Buffer): void {
    if (kind === FRAME.note) this.#parts.onNote?.(payload.toString());
    else if (kind === FRAME.open) {
      const lane = this.#parts.onOpen?.(this, id, payload);
      if (lane !== undefined && !lane.destroyed) this.#lanes.set(id, lane);
    } else {
      // A lane that has ended here may still be spoken to: the other side does not know yet.
      const lane = this.#lanes.get(id);
      // A copy, for a view of some bytes would keep the whole chunk that they came in.
      if (kind === FRAME.data) lane?.heard(Buffer.from(payload));
      else if (kind === FRAME.credit) lane?.credited(payload.readUInt32BE(0));
      else if (kind === FRAME.end) lane?.endHeard();
      else lane?.gone(payload.length > 0 ? new Error(payload.toString()) : undefined);
    }
  }
}
