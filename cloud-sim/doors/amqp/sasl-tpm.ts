import { isToken, type Mechanism, type SaslIdentity } from './sasl.js';

/** Bytes of the blob a challenge carries: a SASL frame has at most 512 in all. Two bits count the pieces. */
const PIECE_BYTES = 470;
const MAX_PIECES = 4;
/** First byte of a challenge that carries a piece, and of the last one. */
const PIECE = 0x80;
const LAST = 0x40;
/** Longest public area that is taken, bytes: of RSA-4096 it has some 600. */
const MAX_AREA = 2048;

/** A device that attests by its TPM: public areas as its TPM writes them. */
export interface TpmArrival {
  idScope: string;
  registrationId: string;
  endorsementKey: Buffer;
  storageRootKey: Buffer;
}

/**
 * SASL TPM: endorsement key, storage root key, a key that only this TPM can unwrap (in pieces), a token signed with it.
 * Whether the token is good is judged at register. Source: seen from Azure's clients (prov_sasl_tpm.c, SaslTpmHandler.cs).
 */
export class Tpm implements Mechanism {
  outcome: boolean | undefined;
  readonly #identity: SaslIdentity;
  readonly #challenge: (arrival: TpmArrival) => Promise<Uint8Array | undefined>;
  #arrival: Omit<TpmArrival, 'storageRootKey'> | undefined;
  #storageRootKey: Buffer | undefined;
  #pieces: Buffer[] | undefined;
  #next = 0;

  /** @param challenge makes the key blob, or says no */
  constructor(identity: SaslIdentity, challenge: (arrival: TpmArrival) => Promise<Uint8Array | undefined>) {
    this.#identity = identity;
    this.#challenge = challenge;
  }

  start(response: Buffer | undefined): Buffer | undefined {
    const [scopeEnd = -1, idEnd = -1] = response === undefined ? [] : zeros(response);
    if (response?.[0] !== 0 || idEnd < 0 || response.length - idEnd - 1 > MAX_AREA) return this.#refuse();
    this.#arrival = {
      idScope: response.toString('utf8', 1, scopeEnd),
      registrationId: response.toString('utf8', scopeEnd + 1, idEnd),
      endorsementKey: Buffer.from(response.subarray(idEnd + 1)),
    };
    return Buffer.from([0]);
  }

  async step(response: Buffer | undefined): Promise<Buffer | undefined> {
    if (this.#arrival === undefined || response?.[0] !== 0) return this.#refuse();
    if (this.#storageRootKey === undefined) return this.#wrap(this.#arrival, Buffer.from(response.subarray(1)));
    if (this.#pieces === undefined) return this.#refuse();
    if (this.#next < this.#pieces.length) return response.length === 1 ? this.#piece(this.#pieces) : this.#refuse();
    const password = response.toString('utf8', 1);
    this.outcome = isToken(password);
    if (!this.outcome) return undefined;
    const { idScope, registrationId, endorsementKey } = this.#arrival;
    const tpm = { endorsementKey, storageRootKey: this.#storageRootKey };
    Object.assign(this.#identity, { userName: `${idScope}/registrations/${registrationId}`, password, tpm });
    return undefined;
  }

  async #wrap(arrival: Omit<TpmArrival, 'storageRootKey'>, storageRootKey: Buffer): Promise<Buffer | undefined> {
    this.#storageRootKey = storageRootKey;
    const blob = storageRootKey.length > MAX_AREA ? undefined : await this.#challenge({ ...arrival, storageRootKey });
    if (blob === undefined || blob.length > MAX_PIECES * PIECE_BYTES) return this.#refuse();
    const pieces: Buffer[] = [];
    for (let at = 0; at < blob.length; at += PIECE_BYTES) pieces.push(Buffer.from(blob.subarray(at, at + PIECE_BYTES)));
    this.#pieces = pieces;
    return this.#piece(pieces);
  }

  #piece(pieces: readonly Buffer[]): Buffer {
    const control = PIECE | (this.#next === pieces.length - 1 ? LAST : 0) | this.#next;
    const piece = pieces[this.#next] ?? Buffer.alloc(0);
    this.#next++;
    return Buffer.concat([Buffer.from([control]), piece]);
  }

  #refuse(): undefined {
    this.outcome = false;
  }
}

/** Where the second and the third zero byte are. */
function zeros(bytes: Buffer): number[] {
  const second = bytes.indexOf(0, 1);
  return second < 0 ? [] : [second, bytes.indexOf(0, second + 1)];
}
