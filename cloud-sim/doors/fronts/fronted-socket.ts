import { X509Certificate } from 'node:crypto';
import type { PresentedCertificate } from '../../credentials.js';
import { type Carrier, Lane } from './lane.js';
import type { Arrival } from './orders.js';

/** A TLS connection that ends in another process, as far as the doors need one: decrypted bytes, and who is there. */
export class FrontedSocket extends Lane {
  readonly door: number;
  readonly localAddress: string | undefined;
  readonly #certificates: readonly string[];
  #idle: NodeJS.Timeout | undefined;

  /** @param header an {@link Arrival}, JSON */
  constructor(carrier: Carrier, id: number, header: Buffer) {
    super(carrier, id);
    const { door, localAddress, certificates } = JSON.parse(header.toString()) as Arrival;
    this.door = door;
    this.localAddress = localAddress;
    this.#certificates = certificates;
  }

  /** See `presentedCertificate`; the front has asked it. */
  get presented(): PresentedCertificate | undefined {
    const [leaf, ...sent] = this.#certificates.map((der) => new X509Certificate(Buffer.from(der, 'base64')));
    return leaf === undefined ? undefined : { leaf, sent };
  }

  /** As of a socket: its front has seen to it. */
  setNoDelay(_noDelay?: boolean): this {
    return this;
  }

  /** As of a socket: tells `timeout` when nothing has come or gone for so many milliseconds; 0 never does. */
  setTimeout(milliseconds: number, listener?: () => void): this {
    clearTimeout(this.#idle);
    this.#idle = milliseconds > 0 ? setTimeout(() => this.emit('timeout'), milliseconds).unref() : undefined;
    if (listener !== undefined) this.once('timeout', listener);
    return this;
  }

  override heard(chunk: Buffer): void {
    this.#idle?.refresh();
    super.heard(chunk);
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, done: () => void): void {
    this.#idle?.refresh();
    super._write(chunk, encoding, done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearTimeout(this.#idle);
    // As with a socket: whatever ends it here, what was written before still leaves.
    super._destroy(null, () => done(error));
  }
}
