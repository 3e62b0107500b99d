import { Duplex } from 'node:stream';

/** Two streams: what is written to one is read from the other, with back-pressure. (Node has this from 22.6 on.) */
export function duplexPair(): [Duplex, Duplex] {
  const one = new Half();
  const other = new Half();
  one.other = other;
  other.other = one;
  return [one, other];
}

class Half extends Duplex {
  other: Half | undefined;
  #room: (() => void) | undefined;

  override _read(): void {
    const room = this.#room;
    this.#room = undefined;
    room?.();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    const { other } = this;
    if (other === undefined || other.push(chunk)) setImmediate(done);
    else other.#room = done;
  }

  override _final(done: () => void): void {
    this.other?.push(null);
    done();
  }
}
