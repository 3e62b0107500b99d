/** `AMQP` as the first four bytes of a protocol header, which no frame size may look like. */
const HEADER = 0x414d5150;
const HEADER_BYTES = 8;
/** Shortest frame (its own header), and the longest that is taken, bytes; the latter is what our open frame announces. */
const MIN_FRAME = 8;
export const MAX_FRAME = 64 * 1024;

/** Which layer a protocol header opens. Source: AMQP 1.0 (OASIS), part 2.2 and part 5.3.1. */
export const PROTOCOL = { amqp: 0, sasl: 3 } as const;

/**
 * Looks at the sizes in a stream of AMQP frames before anything is kept of them: whoever announces a frame of gigabytes, or speaks
 * something else, is told apart after a few bytes. Nothing of a frame but its size is read.
 */
export class FrameGuard {
  /** Bytes of the present header or frame that are still to come. */
  #left = 0;
  readonly #start = Buffer.alloc(HEADER_BYTES);
  #held = 0;
  #first = true;
  /** The layer that the first header asks for, once it is there. */
  protocol: number | undefined;

  /** @returns what is wrong with the stream from here on, or `undefined` */
  feed(chunk: Buffer): string | undefined {
    for (let at = 0; at < chunk.length; ) {
      if (this.#left > 0) {
        const step = Math.min(this.#left, chunk.length - at);
        this.#left -= step;
        at += step;
        continue;
      }
      const wanted = this.#held < 4 ? 4 : HEADER_BYTES;
      const step = Math.min(wanted - this.#held, chunk.length - at);
      chunk.copy(this.#start, this.#held, at, at + step);
      this.#held += step;
      at += step;
      const problem = this.#judge();
      if (problem !== undefined) return problem;
    }
    return undefined;
  }

  #judge(): string | undefined {
    if (this.#held < 4) return undefined;
    const size = this.#start.readUInt32BE(0);
    if (size === HEADER) {
      if (this.#held < HEADER_BYTES) return undefined;
      const protocol = this.#start[4];
      if (this.#start.readUIntBE(5, 3) !== 0x010000 || (protocol !== PROTOCOL.amqp && protocol !== PROTOCOL.sasl)) {
        return 'the protocol header is not one of AMQP 1.0';
      }
      this.protocol ??= protocol;
      this.#first = false;
      this.#held = 0;
      return undefined;
    }
    if (this.#first) return 'the connection does not start with an AMQP header';
    if (size < MIN_FRAME || size > MAX_FRAME) return `a frame of ${size} bytes was announced`;
    this.#left = size - 4;
    this.#held = 0;
    return undefined;
  }
}
