/** Reads the structures of TPM 2.0: big-endian numbers, and byte strings with their size before them. */
export class ByteReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  uint16(): number {
    return this.#take(2).readUInt16BE(0);
  }

  uint32(): number {
    return this.#take(4).readUInt32BE(0);
  }

  skip(count: number): void {
    this.#take(count);
  }

  sized(): Buffer {
    return this.#take(this.uint16());
  }

  #take(count: number): Buffer {
    if (count > this.left) throw new Error('a public area ends too early');
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }
}
