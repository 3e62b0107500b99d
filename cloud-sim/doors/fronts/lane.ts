import { Duplex } from 'node:stream';

/** What goes from one end of a lane to the other. */
export const FRAME = { open: 0, data: 1, end: 2, credit: 3, close: 4, note: 5 } as const;
export type FrameKind = (typeof FRAME)[keyof typeof FRAME];

/** What lanes travel on. */
export interface Carrier {
  send(lane: number, kind: FrameKind, payload?: Uint8Array): void;
  /** Calls back once there is room for more: at once, or when it has drained. */
  whenRoom(go: () => void): void;
  /** The lane has ended here. */
  forget(lane: number): void;
}

/** Bytes that may be under way to a side that does not read them. */
const WINDOW = 64 * 1024;

/**
 * One end of a stream between two processes. What one side writes the other reads, with back-pressure: at most a window of bytes waits in
 * the other process. Each direction ends by itself; `destroy` ends both, and the other side's end with them.
 */
export class Lane extends Duplex {
  readonly id: number;
  readonly #carrier: Carrier;
  /** Bytes that the other side still takes. */
  #credit = WINDOW;
  /** Bytes that were read here and not yet told. */
  #owed = 0;
  #goOn: (() => void) | undefined;
  #endWasHeard = false;
  #otherIsGone = false;

  constructor(carrier: Carrier, id: number) {
    super({ allowHalfOpen: false });
    this.#carrier = carrier;
    this.id = id;
  }

  /** Ends once what was written has left. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }

  /** @internal */
  heard(chunk: Buffer): void {
    this.#owed += chunk.length;
    if (!this.destroyed) this.push(chunk);
  }

  /** @internal */
  endHeard(): void {
    this.#endWasHeard = true;
    if (!this.destroyed) this.push(null);
  }

  /** @internal */
  credited(bytes: number): void {
    this.#credit += bytes;
    this.#resume();
  }

  /** @internal The other side's end is destroyed. Without an error, what it had sent is still read here; nothing more is sent. */
  gone(error: Error | undefined): void {
    this.#otherIsGone = true;
    this.#carrier.forget(this.id);
    this.#resume();
    if (error !== undefined) this.destroy(error);
    if (this.destroyed) return;
    if (!this.#endWasHeard) this.endHeard();
    this.emit('parted');
  }

  override _read(): void {
    if (this.#owed < WINDOW / 2) return;
    const credit = Buffer.allocUnsafe(4);
    credit.writeUInt32BE(this.#owed);
    this.#owed = 0;
    this.#send(FRAME.credit, credit);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    const now = this.#otherIsGone ? chunk : chunk.subarray(0, this.#credit);
    const rest = chunk.subarray(now.length);
    this.#credit -= now.length;
    if (now.length > 0) this.#send(FRAME.data, now);
    if (rest.length === 0) this.#carrier.whenRoom(done);
    else this.#goOn = () => this._write(rest, _encoding, done);
  }

  override _final(done: () => void): void {
    this.#send(FRAME.end);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#carrier.forget(this.id);
    this.#send(FRAME.close, error === null ? undefined : Buffer.from(error.message));
    this.#otherIsGone = true;
    this.#resume();
    done(error);
  }

  #send(kind: FrameKind, payload?: Uint8Array): void {
    if (!this.#otherIsGone) this.#carrier.send(this.id, kind, payload);
  }

  #resume(): void {
    const goOn = this.#goOn;
    this.#goOn = undefined;
    goOn?.();
  }
}
